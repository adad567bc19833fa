// SPDX-License-Identifier: BSD-3-Clause
// Elasticsearch's own Node.js client, unmodified, against the store at the address that is given.
"use strict";
const assert = require("node:assert");
const { Client, errors } = require("@elastic/elasticsearch");

async function main() {
    const client = new Client({ node: process.argv[2] });
    const index = "node-client";
    assert((await client.info()).version.number.startsWith("8."));
    await client.indices.delete({ index }, { ignore: [404] });
    await client.indices.create({
        index,
        mappings: { properties: { k: { type: "keyword" }, t: { type: "text" }, n: { type: "long" }, at: { type: "date" } } },
    });
    const documents = Array.from({ length: 2000 }, (_, n) => ({ n, k: `k${n % 4}`, t: `value ${n} 测试`, at: 1704067200000 + n * 1000 }));
    const done = await client.helpers.bulk({
        datasource: documents,
        onDocument: (document) => [{ index: { _index: index, _id: String(document.n) } }, document],
        refreshOnCompletion: true,
    });
    assert.strictEqual(done.successful, 2000);
    assert.strictEqual(done.failed, 0);

    const seen = [];
    for await (const hit of client.helpers.scrollDocuments({ index, query: { term: { k: "k2" } }, size: 100 })) seen.push(hit.n);
    assert.strictEqual(seen.length, 500);

    const answer = await client.search({
        index,
        query: { bool: { filter: [{ match_phrase: { t: "测试" } }, { range: { n: { gte: 1990 } } }] } },
        sort: [{ n: "desc" }],
        _source: { includes: ["n"] },
        docvalue_fields: ["k"],
        aggs: { k: { terms: { field: "k", order: { _key: "asc" } } }, h: { date_histogram: { field: "at", calendar_interval: "hour", time_zone: "Asia/Shanghai" } } },
    });
    assert.strictEqual(answer.hits.total.value, 10);
    assert.deepStrictEqual(answer.hits.hits[0]._source, { n: 1999 });
    assert.deepStrictEqual(answer.hits.hits[0].fields, { k: ["k3"] });
    assert.deepStrictEqual(answer.aggregations.k.buckets.map((b) => b.doc_count), [2, 2, 3, 3]);

    const many = await client.msearch({ searches: [{ index }, { query: { query_string: { query: "k:k1" } }, size: 0 }, { index }, { query: { match_none: {} } }] });
    assert.deepStrictEqual(many.responses.map((r) => r.hits.total.value), [500, 0]);
    await client.index({ index, id: "a", document: { n: 1 }, refresh: "wait_for" });
    assert.strictEqual((await client.update({ index, id: "a", doc: { n: 2 } })).result, "updated");
    assert.strictEqual((await client.get({ index, id: "a" }))._source.n, 2);
    assert.strictEqual(await client.exists({ index, id: "nothere" }), false);
    await assert.rejects(client.create({ index, id: "a", document: {} }), (error) => error instanceof errors.ResponseError && error.statusCode === 409);
    assert.strictEqual((await client.delete({ index, id: "a" })).result, "deleted");
    await client.indices.delete({ index });
    console.log("@elastic/elasticsearch: all is well");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
