#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Kills a store again and again while writers write, and holds it to what it said.

    killing.py PROGRAM KILLS       PROGRAM is the embedded store

Writers count one document each up by compare-and-set, append documents in bulks, and update. A ledger
keeps what was acknowledged. After each kill the store is started again and every acknowledged write
must be there, with exactly the value that was acknowledged or, where an answer was lost, the one that
was being written; no write may be there that nobody sent.
"""
import http.client
import json
import random
import sys
import threading
import time

from servers import Embedded, request

WRITERS = 4


def willing(*arguments):
    """An answer of a store that had the room to give one: asked again while it says 429, for 30 s at most."""
    end = time.monotonic() + 30
    while True:
        status, answer = request(*arguments)
        if status != 429 or time.monotonic() > end:
            return status, answer
        time.sleep(0.05)


class Writer(threading.Thread):
    """Ends when an answer is lost; `sure` is what was acknowledged, `maybe` what was on its way."""

    def __init__(self, number, port, ledger):
        super().__init__()
        self.number, self.port, self.ledger = number, port, ledger

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            while True:
                self.count_up(connection)
                self.append(connection)
        except (OSError, http.client.HTTPException, ValueError):
            pass

    def count_up(self, connection):
        mine = self.ledger["count"][self.number]
        status, doc = willing(0, "GET", f"/ledger/_doc/w{self.number}", None, connection)
        value = doc["_source"]["n"] if status == 200 else 0
        check(value in (mine["sure"], mine["maybe"]), f"counter {self.number} is {value}, not {mine}")
        mine["sure"], mine["maybe"] = value, value + 1
        path = f"/ledger/_create/w{self.number}" if status == 404 else \
            f"/ledger/_doc/w{self.number}?if_seq_no={doc['_seq_no']}&if_primary_term={doc['_primary_term']}"
        status, answer = willing(0, "PUT", path, {"n": value + 1}, connection)
        check(status in (200, 201), f"nobody else writes, yet: {answer}")
        mine["sure"] = value + 1

    def append(self, connection):
        ids = [f"b{self.number}-{self.ledger['next'][self.number] + i}" for i in range(random.randint(1, 20))]
        self.ledger["next"][self.number] += len(ids)
        self.ledger["maybe"].update(ids)
        lines = "".join(f'{{"create":{{"_id":"{i}"}}}}\n{{"id":"{i}","n":[1,2]}}\n' for i in ids)
        status, answer = willing(0, "POST", "/ledger/_bulk", lines.encode(), connection)
        check(status == 200 and not answer["errors"], f"{answer}")
        self.ledger["sure"].update(ids)


problems = []


def check(good, text):
    if not good:
        problems.append(text)
        raise OSError(text)


def verify(port, ledger):
    for number, mine in enumerate(ledger["count"]):
        status, doc = willing(port, "GET", f"/ledger/_doc/w{number}", None)
        value = doc["_source"]["n"] if status == 200 else 0
        if value not in (mine["sure"], mine["maybe"]):
            problems.append(f"counter {number} is {value}, acknowledged was {mine['sure']}")
    request(port, "POST", "/ledger/_refresh", None)
    found, after = set(), None
    while True:
        body = {"size": 10000, "sort": ["id.keyword"], "query": {"exists": {"field": "id.keyword"}}}
        if after:
            body["search_after"] = after
        status, answer = willing(port, "POST", "/ledger/_search", body)
        hits = answer["hits"]["hits"] if status == 200 else []
        if not hits:
            break
        after = hits[-1]["sort"]
        found.update(h["_id"] for h in hits)
    if ledger["sure"] - found:
        problems.append(f"{len(ledger['sure'] - found)} acknowledged documents are gone")
    if found - ledger["maybe"]:
        problems.append(f"{len(found - ledger['maybe'])} documents that nobody sent")
    ledger["sure"] |= found


def torment(store, kills, pause):
    """Kills and starts a running store; pause: the longest that writers write, in seconds. What was wrong is in problems."""
    ledger = {"count": [{"sure": 0, "maybe": 0} for _ in range(WRITERS)], "next": [0] * WRITERS, "sure": set(), "maybe": set()}
    for _ in range(kills):
        writers = [Writer(i, store.port, ledger) for i in range(WRITERS)]
        for w in writers:
            w.start()
        written = sum(m["sure"] for m in ledger["count"])
        while any(w.is_alive() for w in writers) and sum(m["sure"] for m in ledger["count"]) == written:
            time.sleep(0.001)
        time.sleep(random.uniform(pause / 25, pause))
        store.kill()
        for w in writers:
            w.join()
        store.start()
        verify(store.port, ledger)
        if problems:
            break
    for problem in problems[:10]:
        print("FAIL", problem)
    counted = sum(m["sure"] for m in ledger["count"])
    print(f"{kills} kills, {counted} compare-and-set writes and {len(ledger['sure'])} documents kept")


def main():
    with Embedded(sys.argv[1]) as store:
        store.start()
        torment(store, int(sys.argv[2]), 0.25)
    print(f"{int(not problems)} passed, {int(bool(problems))} failed")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
