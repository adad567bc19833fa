#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random mappings, documents, queries and aggregations: the embedded store and a real server answer alike.

    random_queries.py EMBEDDED_URL REAL_URL [SEED [ROUNDS]]

A round is one index with some documents and QUERIES searches. The seed is printed; a difference is shrunk
(fewer documents, smaller query) before it is shown, and is then a case for tests/store/cases.
"""
import copy
import http.client
import json
import random
import sys
import urllib.parse

QUERIES = 50
WORDS = ["red", "Red", "blue", "green fox", "quick brown fox", "中国", "中文 测试", "a-b", "foo_bar", "x1", "", "ERROR 500", "it's"]
TOKENS = ["red", "blue", "fox", "quick", "中", "国", "文", "a", "b", "foo_bar", "500", "zzz", "RED"]
KEYS = ["a", "b", "ab", "abc", "B", "ä", "中", "x y", "a.b", ""]
TYPES = ["keyword", "text", "long", "integer", "double", "float", "boolean", "date", "ip", "lower", "nested"]
IPS = ["10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.0.1", "::1", "2001:db8::1"]


class Server:
    def __init__(self, url):
        self.at = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=60)

    def ask(self, method, path, body=None):
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        lines = "_bulk" in path
        self.connection.request(method, path, text.encode() if text else None,
                                {"Content-Type": "application/x-ndjson" if lines else "application/json"} if text else {})
        answer = self.connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None


class Maker:
    """Makes everything of one round from its own random numbers."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.fields = {f"f{i}": self.r.choice(TYPES) for i in range(self.r.randint(3, 8))}
        self.inner = {"p": "keyword", "q": "long"}

    def mapping(self):
        properties = {"n": {"type": "integer"}}
        for name, kind in self.fields.items():
            if kind == "nested":
                properties[name] = {"type": "nested", "properties": {k: {"type": t} for k, t in self.inner.items()}}
            elif kind == "lower":
                properties[name] = {"type": "keyword", "normalizer": "lowercase"}
            else:
                properties[name] = {"type": kind}
        return {"mappings": {"properties": properties}}

    def scalar(self, kind):
        r = self.r
        if kind in ("keyword", "lower"):
            return r.choice(KEYS)
        if kind == "text":
            return r.choice(WORDS)
        if kind in ("long", "integer"):
            return r.choice([-5, -1, 0, 1, 2, 3, 10, 100])
        if kind in ("double", "float"):
            return r.choice([-2.5, -1, 0, 0.5, 1, 1.5, 2, 100.25])
        if kind == "boolean":
            return r.random() < 0.5
        if kind == "date":
            return f"2024-{r.randint(1, 12):02}-{r.choice([1, 10, 28]):02}T{r.choice([0, 12, 23]):02}:30:00Z"
        return r.choice(IPS)

    def value(self, kind):
        r = self.r
        if kind == "nested":
            one = lambda: {k: self.scalar(t) for k, t in self.inner.items() if r.random() < 0.8}
            return [one() for _ in range(r.randint(0, 3))]
        if r.random() < 0.2:
            return [self.scalar(kind) for _ in range(r.randint(0, 3))]
        return None if r.random() < 0.05 else self.scalar(kind)

    def documents(self):
        return [{"n": n, **{f: self.value(k) for f, k in self.fields.items() if self.r.random() < 0.85}}
                for n in range(self.r.randint(1, 25))]

    # ---- queries

    def of(self, *kinds):
        names = [f for f, k in self.fields.items() if k in kinds]
        return self.r.choice(names) if names else None

    def leaf(self):
        r = self.r
        name = r.choice([f for f, k in self.fields.items() if k != "nested"] or ["n"])
        kind = self.fields.get(name, "integer")
        choice = r.random()
        if choice < 0.1:
            return {"exists": {"field": r.choice(list(self.fields) + ["zzz"])}}
        if choice < 0.15:
            return r.choice([{"match_all": {}}, {"match_none": {}}, {"ids": {"values": [str(r.randint(0, 9)) for _ in range(3)]}}])
        if kind == "text":
            words = " ".join(r.choice(TOKENS) for _ in range(r.randint(1, 3)))
            return r.choice([
                {"match": {name: words}},
                {"match": {name: {"query": words, "operator": "and"}}},
                {"match": {name: {"query": words, "minimum_should_match": r.choice([1, 2, "50%", "-1", "75%"])}}},
                {"match_phrase": {name: words}},
                {"match_phrase": {name: {"query": words, "slop": r.randint(0, 3)}}},
                {"match_phrase_prefix": {name: words}},
                {"term": {name: r.choice(TOKENS)}},
                {"prefix": {name: r.choice(["r", "qu", "f", "5", "中"])}},
                {"wildcard": {name: r.choice(["*e*", "f?x", "q*k", "*"])}},
                {"regexp": {name: r.choice(["[a-f].*", "qu.ck|fox", "[0-9]+", "f.{1,2}"])}},
            ])
        if kind in ("keyword", "lower"):
            return r.choice([
                {"term": {name: r.choice(KEYS)}},
                {"term": {name: {"value": r.choice(KEYS), "case_insensitive": True}}},
                {"terms": {name: r.sample(KEYS, 3)}},
                {"prefix": {name: r.choice(["a", "ab", "B", "中", ""])}},
                {"wildcard": {name: r.choice(["a*", "*b*", "?", "??", "*"])}},
                {"regexp": {name: r.choice(["a.*", "[ab]+", "..", "a|b"])}},
                {"range": {name: {r.choice(["gt", "gte"]): r.choice(KEYS), r.choice(["lt", "lte"]): r.choice(KEYS)}}},
                {"match": {name: r.choice(KEYS)}},
            ])
        if kind == "boolean":
            return {"term": {name: r.choice([True, False, "true"])}}
        if kind == "ip":
            return r.choice([{"term": {name: r.choice(IPS + ["10.0.0.0/8", "10.0.0.0/31", "::/0"])}},
                             {"terms": {name: r.sample(IPS, 2)}},
                             {"range": {name: {"gte": r.choice(IPS), "lte": r.choice(IPS)}}}])
        if r.random() < 0.3:
            return {"term": {name: self.scalar(kind)}}
        if r.random() < 0.3:
            return {"terms": {name: [self.scalar(kind) for _ in range(3)]}}
        bounds = {r.choice(["gt", "gte"]): self.scalar(kind)}
        if r.random() < 0.7:
            bounds[r.choice(["lt", "lte"])] = self.scalar(kind)
        if kind == "date" and r.random() < 0.4:
            bounds = {"gte": "2024-03", "lt": "2024-09-10||/M", "time_zone": r.choice(["+08:00", "Europe/Berlin", "America/New_York"])}
        return {"range": {name: bounds}}

    def words_query(self):
        r = self.r
        part = lambda: r.choice([
            r.choice(TOKENS), f"{self.of('text') or 'zzz'}:{r.choice(TOKENS)}", f"{self.of('keyword', 'lower') or 'zzz'}:{r.choice(['a', 'ab*', 'B'])}",
            f"n:[{r.randint(0, 5)} TO {r.randint(5, 20)}]", f"n:>{r.randint(0, 20)}", "\"quick brown\"", "fo*", f"_exists_:{r.choice(list(self.fields))}",
            f"({r.choice(TOKENS)} OR {r.choice(TOKENS)})"])
        text = part()
        for _ in range(r.randint(0, 3)):
            text += r.choice([" ", " AND ", " OR ", " NOT ", " AND NOT ", " +", " -"]) + part()
        body = {"query": text}
        if r.random() < 0.3:
            body["default_operator"] = "AND"
        if r.random() < 0.3 and self.of("text"):
            body["default_field"] = self.of("text")
        return {"query_string": body}

    def simple_query(self):
        r = self.r
        text = r.choice(TOKENS)
        for _ in range(r.randint(0, 3)):
            text += r.choice([" ", " + ", " | ", " -", " +"]) + r.choice(TOKENS + ["qu*", "\"quick brown\"", "(red | fox)"])
        fields = [f for f, k in self.fields.items() if k in ("text", "keyword")]
        if not fields:
            return self.leaf()
        body = {"query": text, "fields": fields}
        if r.random() < 0.4:
            body["default_operator"] = "and"
        return {"simple_query_string": body}

    def query(self, depth=0):
        r = self.r
        choice = r.random()
        nested = self.of("nested")
        if choice < 0.1:
            return self.words_query()
        if choice < 0.15:
            return self.simple_query()
        if nested and choice < 0.3:
            inner = r.choice([{"term": {f"{nested}.p": r.choice(KEYS)}}, {"range": {f"{nested}.q": {"gte": r.choice([-1, 0, 2])}}},
                              {"bool": {"must": [{"term": {f"{nested}.p": r.choice(KEYS)}}, {"range": {f"{nested}.q": {"gte": 0}}}]}},
                              {"bool": {"must_not": [{"exists": {"field": f"{nested}.q"}}]}}])
            return {"nested": {"path": nested, "query": inner}}
        if depth < 3 and choice < 0.6:
            parts = {k: [self.query(depth + 1) for _ in range(r.randint(1, 3))]
                     for k in ("must", "filter", "should", "must_not") if r.random() < 0.4}
            if parts.get("should") and r.random() < 0.4:
                parts["minimum_should_match"] = r.choice([1, 2, "50%", "-1"])
            return {"bool": parts}
        return self.leaf()

    # ---- aggregations

    def metric(self, nested=None):
        r = self.r
        name = f"{nested}.q" if nested else self.of("long", "integer", "double", "float", "date") or "n"
        kind = r.choice(["sum", "min", "max", "avg", "value_count", "stats", "extended_stats", "cardinality"])
        if kind == "extended_stats" and self.fields.get(name) == "date":
            kind = "stats"  # squares of dates as texts: docs/store.md names the difference
        return {kind: {"field": name}}

    def aggregation(self, depth=0, nested=None):
        r = self.r
        choice = r.random()
        if depth > 2 or choice < 0.2:
            return self.metric(nested)
        below = {"aggs": {"x": self.aggregation(depth + 1, nested)}} if r.random() < 0.5 else {}
        if nested:
            return {"terms": {"field": f"{nested}.{r.choice(['p', 'q'])}"}, **below}
        path = self.of("nested")
        if path and choice < 0.35:
            return {"nested": {"path": path}, "aggs": {"x": self.aggregation(depth + 1, path)}}
        if choice < 0.6:
            name = self.of("keyword", "lower", "long", "integer", "boolean", "date", "ip") or "n"
            body = {"field": name, "size": r.choice([3, 10, 100])}
            if r.random() < 0.3:
                body["order"] = r.choice([{"_key": "asc"}, {"_key": "desc"}, {"_count": "asc"}])
            if r.random() < 0.2:
                body["min_doc_count"] = r.choice([0, 2])
            if r.random() < 0.2 and self.fields.get(name) in ("keyword", "lower"):
                body[r.choice(["include", "exclude"])] = r.choice(["a.*", "[ab]", ["a", "b"]])
            return {"terms": body, **below}
        if choice < 0.7 and self.of("date"):
            body = {"field": self.of("date"), "calendar_interval": r.choice(["day", "week", "month", "quarter", "year"]), "min_doc_count": 1}
            if r.random() < 0.5:
                body["time_zone"] = r.choice(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "+05:30"])
            return {"date_histogram": body, **below}
        if choice < 0.75:
            return {"histogram": {"field": self.of("long", "integer", "double") or "n", "interval": r.choice([1, 5, 2.5])}, **below}
        if choice < 0.8:
            return {"range": {"field": self.of("long", "integer", "double", "float") or "n", "ranges": [{"to": 1}, {"from": 1, "to": 3}, {"from": 3}]}, **below}
        if choice < 0.85:
            return {"filter": self.leaf(), **below}
        if choice < 0.9:
            return {"missing": {"field": self.of("keyword", "long", "date", "boolean", "ip") or "n"}, **below}
        if choice < 0.95:
            # n leads: of a leading field with several values the real one leaves out those that a range query of
            # the same field excludes
            return {"composite": {"size": 5, "sources": [{"a": {"terms": {"field": "n"}}}, {"b": {"terms": {"field": self.of("keyword", "lower", "long", "integer", "boolean") or "n"}}}]}, **below} if depth == 0 else self.metric()
        return {"top_hits": {"size": 2, "sort": [{"n": r.choice(["asc", "desc"])}], "_source": ["n"]}}

    def search(self):
        r = self.r
        body = {"query": self.query(), "sort": ["n"], "size": 30, "track_total_hits": True, "_source": False}
        name = self.of("keyword", "lower", "long", "integer", "double", "float", "date", "ip")
        if name and r.random() < 0.3:
            body["sort"] = [{name: {"order": r.choice(["asc", "desc"]), "missing": r.choice(["_first", "_last"])}}, "n"]
        if r.random() < 0.2:
            body["_source"] = r.choice([["n", "f*"], {"excludes": ["f1"]}, ["f0"], True])
        if name and r.random() < 0.2:
            body["docvalue_fields"] = [name]
        if r.random() < 0.5:
            body["aggs"] = {"a": self.aggregation()}
        return body


def clean(answer):
    """What has to be the same."""
    status, body = answer
    if status != 200:
        return status, body["error"]["root_cause"][0]["type"] if isinstance(body.get("error"), dict) else None
    return status, rounded({"hits": {"total": body["hits"]["total"],
                                     "hits": [{k: h.get(k) for k in ("_id", "sort", "_source", "fields")} for h in body["hits"]["hits"]]},
                            "aggregations": strip(body.get("aggregations"))})


def strip(value):
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k not in ("_index", "_score", "max_score")}
    return [strip(v) for v in value] if isinstance(value, list) else value


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


class Round:
    def __init__(self, servers, mapping, documents):
        self.servers, self.index = servers, "random-queries"
        lines = "".join(json.dumps({"index": {"_id": str(d["n"])}}) + "\n" + json.dumps(d, ensure_ascii=False) + "\n" for d in documents)
        for server in servers:
            server.ask("DELETE", f"/{self.index}")
            status, body = server.ask("PUT", f"/{self.index}", mapping)
            assert status == 200, body
            status, body = server.ask("POST", f"/{self.index}/_bulk?refresh=true", lines)
            assert status == 200 and not body["errors"], body

    def answers(self, search):
        return [clean(server.ask("POST", f"/{self.index}/_search", search)) for server in self.servers]

    def differs(self, search):
        embedded, real = self.answers(search)
        return embedded != real


def smaller(value):
    """Every value that is one step smaller."""
    if isinstance(value, dict):
        for key in value:
            less = {k: v for k, v in value.items() if k != key}
            yield less
            for inner in smaller(value[key]):
                yield {**value, key: inner}
    elif isinstance(value, list):
        for i in range(len(value)):
            yield value[:i] + value[i + 1:]
            for inner in smaller(value[i]):
                yield value[:i] + [inner] + value[i + 1:]
    elif isinstance(value, str) and " " in value:
        yield value.rsplit(" ", 1)[0]


def shrink(servers, mapping, documents, search):
    again = True
    while again:
        again = False
        for i in range(len(documents)):
            less = documents[:i] + documents[i + 1:]
            if less and Round(servers, mapping, less).differs(search):
                documents, again = less, True
                break
    around = Round(servers, mapping, documents)
    again, tries = True, 0
    while again and tries < 3000:
        again = False
        for less in smaller(search):
            tries += 1
            embedded, real = around.answers(less)
            if embedded != real and real[0] == 200:
                search, again = less, True
                break
    return documents, search, around.answers(search)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    servers = [Server(sys.argv[1]), Server(sys.argv[2])]
    print(f"SEED={seed}", flush=True)
    asked = failed = 0
    for number in range(rounds):
        maker = Maker(seed + number)
        mapping, documents = maker.mapping(), maker.documents()
        around = Round(servers, mapping, documents)
        for _ in range(QUERIES):
            search = maker.search()
            asked += 1
            if not around.differs(search):
                continue
            failed += 1
            less, search, (embedded, real) = shrink(servers, mapping, copy.deepcopy(documents), search)
            used = {k: v for k, v in mapping["mappings"]["properties"].items() if k in json.dumps(search) + json.dumps(less)}
            print(f"DIFFERENCE in round {number} (seed {seed + number})\n  mapping   {json.dumps(used)}\n  documents {json.dumps(less, ensure_ascii=False)}\n"
                  f"  search    {json.dumps(search, ensure_ascii=False)}\n  embedded  {json.dumps(embedded, ensure_ascii=False)[:3000]}\n  real      {json.dumps(real, ensure_ascii=False)[:3000]}", flush=True)
            around = Round(servers, mapping, documents)
            if failed >= 10:
                raise SystemExit(f"{asked} searches, {failed} differences")
    for server in servers:
        server.ask("DELETE", "/random-queries")
    print(f"{asked} searches, {failed} differences")
    sys.exit(failed > 0)


main()
