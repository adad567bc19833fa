// SPDX-License-Identifier: BSD-3-Clause
// Random values of AllTypes as JSON lines: node generate.js SEED COUNT [canonical [single]]
// "canonical" leaves out what SDKs are known to write in different ways that mean the same: zero
// floats (Tars.js writes them without payload), optional members at their default (only some write
// them), map entries in an order that Tars.js cannot keep. "single": no map has two entries.
'use strict';

const { AllTypes, types, print } = require('./stub.js');

const [seed, count] = process.argv.slice(2).map(Number);
const canonical = process.argv[4] === 'canonical';
const single = process.argv[5] === 'single';

// mulberry32
let state = seed >>> 0;
function random() {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = n => Math.floor(random() * n);
const oneOf = list => list[below(list.length)];

// Small numbers, the edges of each wire type, and anything of `bits` bits.
function integer(bits) {
    const max = 2n ** BigInt(bits - 1) - 1n, min = -max - 1n;
    const edges = [0n, 1n, -1n, 127n, 128n, -128n, -129n, 32767n, 32768n, -32768n, -32769n,
        2147483647n, 2147483648n, -2147483648n, -2147483649n, min, max].filter(v => v >= min && v <= max);
    if (random() < 0.4) return oneOf(edges);
    let v = 0n;
    for (let i = 0; i < bits; i += 16) v = (v << 16n) | BigInt(below(65536));
    return BigInt.asIntN(bits, v >> BigInt(below(bits)));
}
const unsigned = bits => oneOf([0, 1, 127, 128, 255, 2 ** bits - 1, below(2 ** bits)].filter(v => v < 2 ** bits));
const exact = v => '\0long:' + v;

function real() {
    const v = oneOf([1, -1, 0.5, 1e-3, 12345.678, 1e10, -2.5e-5]) * (random() - 0.5);
    return !canonical && random() < 0.1 ? 0 : v || 1;
}

const letters = ['a', 'Z', '0', ' ', '"', '\\', '/', '\n', '\t', '\u0001', '\u0000', 'é', 'ß', 'Ж', '中', '文', '€', '😀', '𝄞'];
function text() {
    const length = random() < 0.1 ? oneOf([254, 255, 256, 257, 600]) : below(12);
    if (length > 100 && random() < 0.5) return 'x'.repeat(length);
    return Array.from({ length }, () => oneOf(letters)).join('');
}
const word = () => oneOf(['k', 'key', 'Key', 'a.b', 'x_']) + below(1000).toString(36) + oneOf(['', 'é', '中']);
const size = () => (random() < 0.05 ? 200 : below(5));
const list = of => Array.from({ length: size() }, of);

// Keys in the order of their bytes (numbers in that of their values): the canonical one.
function dictionary(key, of) {
    const entries = list(() => [key(), of()]).slice(0, single ? 1 : undefined);
    const number = v => typeof v !== 'string';
    entries.sort(([a], [b]) => number(a) ? (BigInt(a) < BigInt(b) ? -1 : 1) : Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return Object.fromEntries(entries);
}
const key = bits => () => {
    const v = integer(bits);
    return canonical && v < 0n ? -(v + 1n) : v;
};

const bytes = () => Array.from({ length: random() < 0.1 ? 300 : below(9) }, () => below(256) - 128);
const int = () => Number(integer(32));
const point = () => ({ x: int(), y: int() });
const named = () => ({ name: text(), at: point(), tags: list(text) });
const colour = () => oneOf([0, 5, 6]);
const float = () => Math.fround(real());

// An optional member: present, or left at its default where that may be.
const maybe = (value, otherwise) => {
    if (!canonical && random() < 0.4) return undefined;
    let v = value();
    for (let i = 0; canonical && otherwise !== undefined && JSON.stringify(v) === JSON.stringify(otherwise) && i < 100; i++) v = value();
    return v;
};
const filled = make => () => {
    let v = make();
    while (canonical && Object.keys(v).length === 0) v = make();
    return v;
};

const defaults = () => ({
    b: maybe(() => random() < 0.5), c: maybe(() => Number(integer(8)), 7),
    s: maybe(() => Number(integer(16)), -300), i: maybe(int, 70000),
    l: maybe(() => exact(integer(64)), exact(5000000000n)), f: maybe(float, 1.5), d: maybe(real, -2.25),
    str: maybe(text, 'unset'), colour: maybe(colour), blob: maybe(filled(bytes)),
    ints: maybe(filled(() => list(int))), words: maybe(filled(() => dictionary(word, text))),
    at: maybe(point), ub: maybe(() => unsigned(8), 200), us: maybe(() => unsigned(16), 40000),
    ui: maybe(() => unsigned(32), 3000000000),
});

const value = () => ({
    b: random() < 0.5, c: Number(integer(8)), s: Number(integer(16)), i: int(), l: exact(integer(64)),
    f: float(), d: real(), str: text(), ub: unsigned(8), us: unsigned(16), ui: unsigned(32),
    colour: colour(), blob: bytes(), shorts: list(() => Number(integer(16))), ints: list(int),
    longs: list(() => exact(integer(64))), floats: list(float), doubles: list(real), strs: list(text),
    grid: list(() => list(int)), blobs: list(bytes), named: list(named),
    counts: list(() => dictionary(word, int)), words: dictionary(word, text),
    by_int: dictionary(key(32), text), by_long: dictionary(key(64), real),
    by_name: dictionary(word, named), files: dictionary(word, bytes),
    paths: dictionary(word, () => list(point)),
    nested: dictionary(word, () => dictionary(key(32), text)),
    at: point(), who: named(), defaults: defaults(), last: text(),
});

for (let i = 0; i < count; i++) console.log(print(value()));
