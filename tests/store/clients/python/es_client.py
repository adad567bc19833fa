# SPDX-License-Identifier: BSD-3-Clause
"""Elasticsearch's own Python client, unmodified, against the store at the address that is given."""
import sys

from elasticsearch import BadRequestError, ConflictError, Elasticsearch, NotFoundError, helpers

es = Elasticsearch(sys.argv[1])
index = "python-client"


def raises(kind, call, **arguments):
    try:
        call(**arguments)
    except kind as error:
        return error
    raise AssertionError(f"{call} did not fail with {kind}")


assert es.info()["version"]["number"].startswith("8.")
assert es.ping()
es.options(ignore_status=404).indices.delete(index=index)
es.indices.create(index=index, mappings={"properties": {
    "app": {"type": "keyword"}, "text": {"type": "text"}, "n": {"type": "long"}, "at": {"type": "date"}}})
assert es.indices.exists(index=index)
assert "app" in es.indices.get_mapping(index=index)[index]["mappings"]["properties"]

documents = ({"_index": index, "_id": str(n), "app": f"app{n % 3}", "text": f"line {n} of the 中文 log", "n": n,
              "at": f"2024-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z"} for n in range(2500))
done, errors = helpers.bulk(es, documents, chunk_size=500, refresh="wait_for")
assert (done, errors) == (2500, []), (done, errors)
results = list(helpers.streaming_bulk(es, [{"_op_type": "create", "_index": index, "_id": "7", "n": 0},
                                           {"_op_type": "delete", "_index": index, "_id": "2499"}],
                                      raise_on_error=False))
assert [ok for ok, _ in results] == [False, True], results
es.indices.refresh(index=index)

found = list(helpers.scan(es, index=index, query={"query": {"term": {"app": "app1"}}, "_source": ["n"]}, size=100))
assert sorted(hit["_source"]["n"] for hit in found) == [n for n in range(2499) if n % 3 == 1]
assert es.count(index=index)["count"] == 2499

answer = es.search(index=index, query={"bool": {"must": [{"match": {"text": "中文"}}], "filter": [{"range": {"n": {"lt": 5}}}]}},
                   sort=[{"n": "desc"}], size=3, source=["n"], track_total_hits=True)
assert answer["hits"]["total"]["value"] == 5
assert [hit["_source"] for hit in answer["hits"]["hits"]] == [{"n": 4}, {"n": 3}, {"n": 2}]
answer = es.search(index=index, size=0, aggs={"apps": {"terms": {"field": "app"}, "aggs": {"sum": {"sum": {"field": "n"}}}},
                                             "time": {"date_histogram": {"field": "at", "fixed_interval": "10m"}}})
assert len(answer["aggregations"]["apps"]["buckets"]) == 3
assert sum(b["doc_count"] for b in answer["aggregations"]["time"]["buckets"]) == 2499
answers = es.msearch(searches=[{"index": index}, {"query": {"query_string": {"query": "app:app2 AND n:<10"}}},
                               {"index": "nothere"}, {"query": {"match_all": {}}}])["responses"]
assert answers[0]["hits"]["total"]["value"] == 3 and answers[1]["status"] == 404

got = es.get(index=index, id="5")
assert got["_source"]["n"] == 5 and got["found"]
es.index(index=index, id="5", document={"n": 50}, if_seq_no=got["_seq_no"], if_primary_term=got["_primary_term"])
raises(ConflictError, es.index, index=index, id="5", document={"n": 51},
       if_seq_no=got["_seq_no"], if_primary_term=got["_primary_term"])
assert es.update(index=index, id="5", doc={"n": 52})["result"] == "updated"
assert es.mget(index=index, ids=["5", "nothere"])["docs"][1]["found"] is False
assert raises(NotFoundError, es.get, index=index, id="nothere").meta.status == 404
raises(BadRequestError, es.search, index=index, query={"bogus": {}})
assert es.field_caps(index=index, fields="app")["fields"]["app"]["keyword"]["aggregatable"]
assert es.cluster.health(wait_for_status="yellow")["status"] in ("green", "yellow")
assert es.delete_by_query(index=index, query={"term": {"app": "app0"}}, refresh=True)["deleted"] == 833
assert any(row["index"] == index for row in es.cat.indices(format="json"))
es.indices.delete(index=index)
print("elasticsearch-py: all is well")
