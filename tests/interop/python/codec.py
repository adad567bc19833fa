# SPDX-License-Identifier: BSD-3-Clause
"""AllTypes between JSON and bytes with tarsio, one value a line: codec.py encode|decode.

tarsio reads 32-bit floats but has no type that writes them, so those three members are written
here by hand, between what tarsio wrote for the members before and after them.
"""
import functools
import json
import struct
import sys

from tarsio import Struct, decode, encode, field


def tag(n, **default):
    return field(tag=n, **default)


class Point(Struct):
    x: int = tag(0)
    y: int = tag(1)


class Named(Struct):
    name: str = tag(0)
    at: Point = tag(1)
    tags: list[str] = tag(2)


class Defaults(Struct):
    b: bool = tag(0, default=True)
    c: int = tag(1, default=7)
    s: int = tag(2, default=-300)
    i: int = tag(3, default=70000)
    l: int = tag(4, default=5000000000)
    f: float = tag(5, default=1.5)
    d: float = tag(6, default=-2.25)
    str_: str = tag(7, default="unset")
    colour: int = tag(8, default=0)
    blob: bytes = tag(9, default=b"")
    ints: list[int] = tag(10, default_factory=list)
    words: dict[str, str] = tag(11, default_factory=dict)
    at: Point | None = tag(12, default=None)
    ub: int = tag(13, default=200)
    us: int = tag(14, default=40000)
    ui: int = tag(15, default=3000000000)


class AllTypes(Struct):
    b: bool = tag(0)
    c: int = tag(1)
    s: int = tag(2)
    i: int = tag(3)
    l: int = tag(4)
    f: float = tag(5)
    d: float = tag(6)
    str_: str = tag(7)
    ub: int = tag(8)
    us: int = tag(9)
    ui: int = tag(10)
    colour: int = tag(11)
    blob: bytes = tag(12)
    shorts: list[int] = tag(13)
    ints: list[int] = tag(14)
    longs: list[int] = tag(15)
    floats: list[float] = tag(16)
    doubles: list[float] = tag(17)
    strs: list[str] = tag(18)
    grid: list[list[int]] = tag(19)
    blobs: list[bytes] = tag(20)
    named: list[Named] = tag(21)
    counts: list[dict[str, int]] = tag(22)
    words: dict[str, str] = tag(23)
    by_int: dict[int, str] = tag(24)
    by_long: dict[int, float] = tag(25)
    by_name: dict[str, Named] = tag(26)
    files: dict[str, bytes] = tag(27)
    paths: dict[str, list[Point]] = tag(28)
    nested: dict[str, dict[int, str]] = tag(29)
    at: Point = tag(30)
    who: Named = tag(31)
    defaults: Defaults = tag(40)
    last: str = tag(200)


class Count(Struct):
    n: int = tag(0)


TAGS = {
    Defaults: dict(zip(Defaults.__annotations__, range(16))),
    AllTypes: dict(zip(AllTypes.__annotations__, [*range(32), 40, 200])),
}


@functools.cache
def part(whole, names):
    """A class with some members of `whole`, each of which is written also at its default."""
    body = {"__annotations__": {n: whole.__annotations__[n] for n in names}}
    body.update({n: tag(TAGS[whole][n]) for n in names})
    return type("Part", (Struct,), body)


def fields(whole, first, last, value):
    """What tarsio writes for the members with those tags that the value has."""
    names = tuple(
        n for n, t in TAGS[whole].items() if first <= t <= last and value.get(n) is not None
    )
    return encode(part(whole, names)(**{n: value[n] for n in names})) if names else b""


def head(number, kind):
    return bytes([number << 4 | kind]) if number < 15 else bytes([0xF0 | kind, number])


def float32(number, value):
    return b"" if value is None else head(number, 4) + struct.pack(">f", value)


def from_json(text):
    """JSON to Python values: bytes for vector<byte>, numbers for the keys that are numbers."""

    def blob(numbers):
        return None if numbers is None else bytes(b & 255 for b in numbers)

    def named(v):
        return Named(name=v["name"], at=Point(**v["at"]), tags=v["tags"])

    v = json.loads(text)
    d = v["defaults"]
    v.update(
        str_=v["str"],
        blob=blob(v["blob"]),
        doubles=[float(x) for x in v["doubles"]],
        d=float(v["d"]),
        blobs=[blob(b) for b in v["blobs"]],
        named=[named(n) for n in v["named"]],
        by_int={int(k): s for k, s in v["by_int"].items()},
        by_long={int(k): float(x) for k, x in v["by_long"].items()},
        by_name={k: named(n) for k, n in v["by_name"].items()},
        files={k: blob(b) for k, b in v["files"].items()},
        paths={k: [Point(**p) for p in ps] for k, ps in v["paths"].items()},
        nested={k: {int(i): s for i, s in m.items()} for k, m in v["nested"].items()},
        at=Point(**v["at"]),
        who=named(v["who"]),
    )
    d.update(
        str_=d.get("str"),
        blob=blob(d.get("blob")),
        at=Point(**d["at"]) if d.get("at") else None,
        d=float(d["d"]) if d.get("d") is not None else None,
    )
    return v


def to_bytes(text):
    v = from_json(text)
    d = v["defaults"]
    floats = encode(Count(n=len(v["floats"]))) + b"".join(float32(0, x) for x in v["floats"])
    defaults = fields(Defaults, 0, 4, d) + float32(5, d.get("f")) + fields(Defaults, 6, 15, d)
    return (
        fields(AllTypes, 0, 4, v)
        + float32(5, v["f"])
        + fields(AllTypes, 6, 15, v)
        + head(16, 9)
        + floats
        + fields(AllTypes, 17, 31, v)
        + head(40, 10)
        + defaults
        + head(0, 11)
        + fields(AllTypes, 200, 200, v)
    )


def to_json(data):
    def plain(v):
        if isinstance(v, bytes):
            return [b - 256 if b > 127 else b for b in v]
        if isinstance(v, Struct):
            names = v.__class__.__annotations__
            return {n.rstrip("_"): plain(getattr(v, n)) for n in names}
        if isinstance(v, dict):
            return {str(k): plain(x) for k, x in v.items()}
        return [plain(x) for x in v] if isinstance(v, list) else v

    return json.dumps(plain(decode(data, AllTypes)), ensure_ascii=False)


if __name__ == "__main__":
    for line in sys.stdin.buffer.read().decode().split("\n"):
        if line:
            print(to_bytes(line).hex() if sys.argv[1] == "encode" else to_json(bytes.fromhex(line)))
