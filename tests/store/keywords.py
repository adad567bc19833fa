#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""keywords.py write|read PORT: what keyword fields say, whatever their columns hold in the words' place.

One field holds few words again and again, one a new one in each document (it stops getting numbers on the
way), one several at once, one short ones first and then long ones. Each search is compared with what the
documents say. `read` is for after another start.
"""
import json
import sys

from servers import request

COUNT, SERVERS = 1500, 7
problems = []


def document(n):
    return {
        "server": f"Shop.Back{n % SERVERS}Server",
        "trace": f"trace-{n * 7919 % 100003:06d}",
        "tags": [f"tag number {n % 3}", f"tag number {n % 5}"] if n % 2 else f"tag number {n % 4}",
        "late": "short" if n < COUNT // 2 else f"a longer word {n % 11}",
    }


DOCUMENTS = [document(n) for n in range(COUNT)]


def values(doc, field):
    return set(doc[field]) if isinstance(doc[field], list) else {doc[field]}


def write(port):
    keyword = {"type": "keyword"}
    mapping = {"mappings": {"properties": {f: keyword for f in ("server", "trace", "tags", "late")}}}
    request(port, "PUT", "/keywords", mapping)
    for begin in range(0, COUNT, 100):
        lines = "".join(
            f'{{"create":{{"_id":"{n}"}}}}\n{json.dumps(DOCUMENTS[n])}\n' for n in range(begin, begin + 100))
        status, answer = request(port, "POST", "/keywords/_bulk", lines.encode())
        if status != 200 or answer["errors"]:
            sys.exit(f"keywords: writing: {str(answer)[:300]}")


def compare(what, got, wanted):
    if got != wanted:
        problems.append(f"{what}: {str(got)[:200]}, not {str(wanted)[:200]}")


def search(port, body):
    status, answer = request(port, "POST", "/keywords/_search", body)
    if status != 200:
        sys.exit(f"keywords: {json.dumps(body)}: {str(answer)[:300]}")
    return answer


def find(port, what, query, fits):
    answer = search(port, {"size": 10000, "track_total_hits": True, "query": query})
    compare(what, sorted(int(h["_id"]) for h in answer["hits"]["hits"]), [n for n in range(COUNT) if fits(DOCUMENTS[n])])


def searches(port, field):
    words = sorted(set().union(*(values(d, field) for d in DOCUMENTS)))
    chosen = [words[0], words[len(words) // 2], words[-1]]
    for word in chosen + ["no such word"]:
        find(port, f"term {field} {word}", {"term": {field: word}}, lambda d: word in values(d, field))
        find(port, f"not {field} {word}", {"bool": {"must_not": {"term": {field: word}}}}, lambda d: word not in values(d, field))
    find(port, f"terms {field}", {"terms": {field: chosen + ["x", "no such word"]}}, lambda d: values(d, field) & set(chosen))
    low, high = words[len(words) // 4], words[len(words) // 2]
    find(port, f"range {field}", {"range": {field: {"gte": low, "lt": high}}}, lambda d: any(low <= v < high for v in values(d, field)))
    find(port, f"prefix {field}", {"prefix": {field: high[:7]}}, lambda d: any(v.startswith(high[:7]) for v in values(d, field)))
    find(port, f"wildcard {field}", {"wildcard": {field: "*" + high[-2:]}}, lambda d: any(v.endswith(high[-2:]) for v in values(d, field)))
    find(port, f"exists {field}", {"exists": {"field": field}}, lambda d: True)
    counts = {w: sum(w in values(d, field) for d in DOCUMENTS) for w in words}
    aggs = {"t": {"terms": {"field": field, "size": COUNT}}, "n": {"value_count": {"field": field}}, "c": {"cardinality": {"field": field, "precision_threshold": 3000}}}
    answer = search(port, {"size": 0, "aggs": aggs})["aggregations"]
    compare(f"terms of {field}", {b["key"]: b["doc_count"] for b in answer["t"]["buckets"]}, counts)
    compare(f"count of {field}", answer["n"]["value"], sum(counts.values()))
    compare(f"cardinality of {field}", answer["c"]["value"], len(words))
    answer = search(port, {"size": COUNT, "sort": [field, "_doc"], "docvalue_fields": [field]})["hits"]["hits"]
    compare(f"order by {field}", [h["sort"][0] for h in answer], sorted(min(values(d, field)) for d in DOCUMENTS))
    compare(f"values of {field}", [h["fields"][field] for h in answer], [sorted(values(DOCUMENTS[int(h["_id"])], field)) for h in answer])
    after, seen = None, {}
    while True:
        source = {"size": 100, "sources": [{"k": {"terms": {"field": field}}}], **({"after": after} if after else {})}
        page = search(port, {"size": 0, "aggs": {"c": {"composite": source}}})["aggregations"]["c"]
        seen.update({b["key"]["k"]: b["doc_count"] for b in page["buckets"]})
        after = page.get("after_key")
        if not after:
            break
    compare(f"pages of {field}", list(seen.items()), sorted(counts.items()))
    if field in ("server", "trace"):
        hits = search(port, {"size": 100, "query": {"term": {"late": "short"}}, "collapse": {"field": field}, "sort": [field]})["hits"]["hits"]
        compare(f"one of each {field}", [h["fields"][field][0] for h in hits], sorted({d[field] for d in DOCUMENTS[: COUNT // 2]})[:100])


def main():
    port = int(sys.argv[2])
    if sys.argv[1] == "write":
        write(port)
    for field in ("server", "trace", "tags", "late"):
        searches(port, field)
    for p in problems:
        print("FAIL", p)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
