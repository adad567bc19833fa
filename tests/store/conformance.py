#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the cases of tests/store/cases against a server that claims to be Elasticsearch.

    conformance.py URL [CASEFILE...]
    conformance.py --record URL CASEFILE...     fills in what is left open: see below

A case file is plain text:

    == a document is read back by its id        the name; begins a case
    PUT /{i}/_doc/1                              a request: method, path, then its body until "->"
    {"n": 1}
    -> 201                                       the status that must come, and below it what must
    result = "created"                           stand in the answer: path = JSON value
    seq := _seq_no                               keeps a value; {seq} stands for it further on
    hits.hits.*._id = ["a", "b"]                 "*" collects over a list
    error.reason ~ no such index                 a text that must occur; "= ?" must be there, "= !" must not

:: what the following cases read               begins requests that are made once for all cases below,
                                               which then use the same "{i}" and change nothing

Where servers differ, the case says it and why:

    == a case that only some servers can pass
    @ only elasticsearch 8, elasticsearch 7.17: the others have no such query
    GET /{i}/_search
    -> 200
    hits.total.value = 1
    @ elasticsearch 7: counts words of one letter too
    -> 200                                       what those answer instead; the status may be left out
    hits.total.value = 2

A server is named by what it calls itself in GET / and the first parts of its version; "embedded" is the
embedded store, which is an elasticsearch 8 too, and "all" is every server. The first that fits is taken.

New cases are recorded from a real server, never guessed: write "->" without a status and below it only the
paths that matter; --record asks the server and writes status and values behind them.

"{i}" is a name that no other case has; indices and templates that begin with it are removed at the
end. Lines that begin with "#" are comments. "> NAME: VALUE" below a request is a header, "gzip" packs the body.
"""
import collections
import concurrent.futures
import gzip
import http.client
import itertools
import json
import pathlib
import re
import sys
import urllib.parse
import uuid

MISSING = object()


class Mismatch(Exception):
    pass


def find(value, path):
    if not path:
        return value
    head, rest = path[0], path[1:]
    if head == "*":
        if not isinstance(value, list):
            return MISSING
        return [None if (v := find(item, rest)) is MISSING else v for item in value]
    if isinstance(value, list) and head.isdigit() and int(head) < len(value):
        return find(value[int(head)], rest)
    if isinstance(value, dict):
        # names may contain dots: the longest one that fits is taken
        for n in range(len(path), 0, -1):
            name = ".".join(path[:n])
            if name in value:
                return find(value[name], path[n:])
    return MISSING


class Case:
    def __init__(self, name, setup=None):
        self.name, self.steps, self.setup, self.only = name, [], setup, None


class Expected:
    """What some servers answer: "opensearch, elasticsearch 7.10: the reason"."""

    def __init__(self, text, status=None):
        servers, _, self.reason = text.partition(": ")
        self.servers = [server.split() for server in servers.split(",")]
        self.status, self.checks = status, []
        if not self.reason.strip():
            raise SystemExit(f"@ {text}: without a reason")

    def fits(self, names):
        """names: what a server is called, each with its version."""
        return any(flavour in (name, "all") and (not version or (is_version + ".").startswith(version[0] + "."))
                   for flavour, *version in self.servers for name, is_version in names)


def read_cases(path):
    cases, step, mode, setup, case = [], None, None, None, None
    for number, raw in enumerate(path.read_text().splitlines(), 1):
        line = raw.rstrip()
        if mode != "body" and (not line or line.startswith("#")):
            continue
        if line.startswith("== "):
            case = Case(f"{path.stem}: {line[3:]}", setup)
            cases.append(case)
            mode = None
        elif line.startswith(":: "):
            setup = case = Case(f"{path.stem}: {line[3:]}")
            mode = None
        elif line.startswith("-> ") or line == "->":
            step["answers"][-1].status, mode = int(line[3:].split()[0]) if line[3:].split() else None, "checks"
        elif line.startswith("@ only ") and not case.steps:
            case.only = Expected(line[7:])
        elif line.startswith("@ ") and mode == "checks":
            step["answers"].append(Expected(line[2:], step["answers"][0].status))
        elif mode == "body":
            if line.startswith("> "):
                name, value = line[2:].split(":", 1)
                step["headers"][name.strip()] = value.strip()
            elif line == "gzip":
                step["headers"]["Content-Encoding"] = "gzip"
            else:
                step["body"].append(line)
        elif re.match(r"(GET|PUT|POST|DELETE|HEAD|PATCH) /", line):
            method, target = line.split(" ", 1)
            step = {"line": number, "method": method, "target": target, "headers": {}, "body": [],
                    "answers": [Expected("all: as Elasticsearch 8 does")]}
            case.steps.append(step)
            mode = "body"
        elif mode == "checks":
            step["answers"][-1].checks.append(line)
        else:
            raise SystemExit(f"{path}:{number}: cannot be read: {line}")
    return cases


class Runner:
    """names: what the server is called in cases, see Expected."""

    def __init__(self, url, names):
        self.names = names
        self.server = urllib.parse.urlsplit(url)
        self.connection = None
        self.recording = None
        self.setup, self.setup_names, self.setup_problem = None, None, None

    def request(self, method, target, body, headers):
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.server.hostname, self.server.port, timeout=60)
            try:
                self.connection.request(method, target, body=body, headers=headers)
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt == 2:
                    raise

    def step(self, step, names):
        def fill(text):
            return re.sub(r"\{(\w+)\}", lambda m: str(names.get(m[1], m[0])), text)

        body = fill("\n".join(step["body"])).encode()
        lines = "_bulk" in step["target"] or "_msearch" in step["target"]
        headers = {"Content-Type": "application/x-ndjson" if lines else "application/json"}
        headers.update(step["headers"])
        if lines and body:
            body += b"\n"
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.compress(body)
        status, text = self.request(step["method"], fill(step["target"]), body or None, headers if body else {})
        try:
            answer = json.loads(text) if text else None
        except ValueError:
            answer = text.decode(errors="replace")
        expected = next((e for e in step["answers"][1:] if e.fits(self.names)), step["answers"][0])
        if self.recording is not None:
            self.record(step, expected, status, answer, fill)
        elif status != expected.status:
            raise Mismatch(f"status {status}, not {expected.status}: {text[:400].decode(errors='replace')}")
        for check in expected.checks:
            self.check(fill(check), answer, names)

    def record(self, step, expected, status, answer, fill):
        """Keeps the lines that the case file gets in place of the open ones."""
        if expected.status is not None:
            return
        lines = [f"-> {status}"]
        for i, check in enumerate(expected.checks):
            if " " not in check:
                value = find(answer, [] if check == "." else fill(check).split("."))
                check += " = " + ("!" if value is MISSING else json.dumps(value, ensure_ascii=False))
                check = check.replace(self.prefix, "{i}")
                expected.checks[i] = check
            lines.append(check)
        expected.status = status
        self.recording.append((step["line"], lines))

    @staticmethod
    def check(check, answer, names):
        match = re.match(r"(\S+)\s*(:=|=|~)\s*(.*)$", check)
        if not match:
            raise Mismatch(f"cannot be read: {check}")
        path, operation, wanted = match.groups()
        if operation == ":=":
            names[path] = find(answer, wanted.split("."))
            if names[path] is MISSING:
                raise Mismatch(f"{check}: found nothing")
            return
        found = find(answer, [] if path == "." else path.split("."))
        shown = "nothing" if found is MISSING else json.dumps(found, ensure_ascii=False)
        if operation == "~":
            if found is MISSING or wanted not in str(found):
                raise Mismatch(f"{check}: found {shown}")
        elif wanted in ("?", "!"):
            if (found is MISSING) != (wanted == "!"):
                raise Mismatch(f"{check}: found {shown}")
        elif found is MISSING or found != json.loads(wanted) or isinstance(found, bool) != isinstance(json.loads(wanted), bool):
            raise Mismatch(f"{check}: found {shown}")

    def run(self, case):
        if case.setup is not None:
            if case.setup is not self.setup:
                self.end_setup()
                self.setup, self.setup_names = case.setup, {"i": "t" + uuid.uuid4().hex[:10]}
                self.setup_problem = self.steps(case.setup, self.setup_names)
            return self.setup_problem or self.steps(case, dict(self.setup_names))
        self.end_setup()
        names = {"i": "t" + uuid.uuid4().hex[:10]}
        try:
            return self.steps(case, names)
        finally:
            self.clean(names["i"])

    def end_setup(self):
        if self.setup is not None:
            self.clean(self.setup_names["i"])
        self.setup = None

    def steps(self, case, names):
        self.prefix = names["i"]
        for step in case.steps:
            try:
                self.step(step, names)
            except Mismatch as problem:
                return f"line {step['line']}, {step['method']} {step['target']}: {problem}"
        return None

    def clean(self, prefix):
        status, text = self.request("GET", f"/_cat/indices/{prefix}*?format=json&h=index", None, {})
        for row in json.loads(text) if status == 200 else []:
            self.request("DELETE", "/" + row["index"], None, {})
        self.request("DELETE", f"/_index_template/{prefix}*", None, {})


def write_back(path, recorded):
    """Replaces the open checks of each recorded step."""
    lines = path.read_text().splitlines()
    for number, new in sorted(recorded, reverse=True):
        at = number
        while lines[at].rstrip() != "->":
            at += 1
        end = at + 1
        while end < len(lines) and lines[end] and not re.match(r"(== |:: |@ |#|(GET|PUT|POST|DELETE|HEAD|PATCH) /)", lines[end]):
            end += 1
        lines[at:end] = new
    path.write_text("\n".join(lines) + "\n")


def names_of(url):
    """What the server calls itself, with its version."""
    version = json.loads(Runner(url, []).request("GET", "/", None, {})[1])["version"]
    names = [(version.get("distribution", "elasticsearch"), version["number"])]
    return names + [("embedded", version["number"])] if version.get("build_type") == "embedded" else names


def record(url, files):
    runner = Runner(url, names_of(url))
    for path in files:
        for case in read_cases(path):
            runner.recording = []
            problem = runner.run(case)
            write_back(path, runner.recording)
            if problem:
                print(f"FAIL {case.name}\n     {problem}")
    runner.end_setup()


def run(url, files=(), workers=1):
    """Runs the cases, those without a common beginning side by side; prints what differs. How many passed and failed."""
    files = [pathlib.Path(p) for p in files] or sorted((pathlib.Path(__file__).parent / "cases").glob("*.txt"))
    names, todo, left_out = names_of(url), [], collections.Counter()
    for case in (case for path in files for case in read_cases(path)):
        if all(c is None or c.only is None or c.only.fits(names) for c in (case, case.setup)):
            todo.append(case)
        else:
            left_out[(case.only or case.setup.only).reason.strip()] += 1
    groups = [list(cases) for _, cases in itertools.groupby(todo, lambda case: case.setup or case)]
    idle = [Runner(url, names) for _ in range(workers)]

    def run_group(cases):
        runner = idle.pop()
        try:
            return [(case, runner.run(case)) for case in cases]
        finally:
            runner.end_setup()
            idle.append(runner)

    passed, failed = 0, 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for case, problem in itertools.chain.from_iterable(pool.map(run_group, groups)):
            passed, failed = passed + (problem is None), failed + (problem is not None)
            if problem is not None:
                print(f"FAIL {case.name}\n     {problem}", flush=True)
    for reason, count in left_out.items():
        print(f"{count} left out on {' '.join(names[0])}: {reason}")
    return passed, failed


def main():
    recording = sys.argv[1:2] == ["--record"]
    if recording:
        del sys.argv[1]
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    if recording:
        return record(sys.argv[1], [pathlib.Path(p) for p in sys.argv[2:]])
    passed, failed = run(sys.argv[1], sys.argv[2:])
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
