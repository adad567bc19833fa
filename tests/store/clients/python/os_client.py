# SPDX-License-Identifier: BSD-3-Clause
"""OpenSearch's Python client, unmodified, against the store at the address that is given."""
import sys

from opensearchpy import NotFoundError, OpenSearch, helpers

client = OpenSearch(sys.argv[1])
index = "opensearch-client"
client.indices.delete(index=index, ignore=[404])
client.indices.create(index=index, body={"mappings": {"properties": {"k": {"type": "keyword"}, "n": {"type": "long"}}}})
done, errors = helpers.bulk(client, ({"_index": index, "_id": n, "k": f"k{n % 2}", "n": n} for n in range(1000)), refresh=True)
assert (done, errors) == (1000, [])
assert sum(1 for _ in helpers.scan(client, index=index, query={"query": {"term": {"k": "k1"}}}, size=100)) == 500
answer = client.search(index=index, body={"size": 0, "aggs": {"k": {"terms": {"field": "k"}, "aggs": {"m": {"max": {"field": "n"}}}}}})
assert [b["m"]["value"] for b in answer["aggregations"]["k"]["buckets"]] == [998.0, 999.0]
assert client.index(index=index, id="x", body={"n": 1})["result"] == "created"
assert client.get(index=index, id="x")["_source"] == {"n": 1}
assert client.update(index=index, id="x", body={"doc": {"n": 2}})["result"] == "updated"
assert client.delete(index=index, id="x")["result"] == "deleted"
assert client.count(index=index)["count"] == 1000
try:
    client.get(index=index, id="x")
    raise AssertionError("a document that is gone was found")
except NotFoundError:
    pass
client.indices.delete(index=index)
print("opensearch-py: all is well")
