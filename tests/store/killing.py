#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Kills the embedded store again and again while writers write, and holds it to what it said.

    killing.py PROGRAM KILLS

Writers count one document each up by compare-and-set, append documents in bulks, and update. A ledger
keeps what was acknowledged. After each kill the store is started again and every acknowledged write
must be there, with exactly the value that was acknowledged or, where an answer was lost, the one that
was being written; no write may be there that nobody sent.
"""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

WRITERS = 4


claims = []  # held until this process ends


# Below the ports of outgoing connections: one of those that ask while the store is down would
# connect to itself. Claimed as tests/lib/testkit.c does.
def free_port():
    while True:
        port = random.randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind("\0tars-test-port-%d" % port)
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        return port


class Store:
    def __init__(self, program, folder):
        self.port = free_port()
        self.env = dict(os.environ, TARS_ELASTICSEARCH_PORT=str(self.port), TARS_ELASTICSEARCH_HTTP_PORT="0")
        self.command = [program, "--data", folder + "/data"]
        self.log = open(folder + "/log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.env, stdout=self.log, stderr=self.log)
        for _ in range(1000):
            try:
                if request(self.port, "GET", "/", None)[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"the store ended with {self.process.returncode}")
            time.sleep(0.01)
        raise SystemExit("the store does not answer")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def request(port, method, path, body, connection=None):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, body=data, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


class Writer(threading.Thread):
    """Ends when an answer is lost; `sure` is what was acknowledged, `maybe` what was on its way."""

    def __init__(self, number, port, ledger):
        super().__init__()
        self.number, self.port, self.ledger = number, port, ledger

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            while True:
                self.count_up(connection)
                self.append(connection)
        except (OSError, http.client.HTTPException, ValueError):
            pass

    def count_up(self, connection):
        mine = self.ledger["count"][self.number]
        status, doc = request(0, "GET", f"/ledger/_doc/w{self.number}", None, connection)
        value = doc["_source"]["n"] if status == 200 else 0
        check(value in (mine["sure"], mine["maybe"]), f"counter {self.number} is {value}, not {mine}")
        mine["sure"], mine["maybe"] = value, value + 1
        path = f"/ledger/_create/w{self.number}" if status == 404 else \
            f"/ledger/_doc/w{self.number}?if_seq_no={doc['_seq_no']}&if_primary_term={doc['_primary_term']}"
        status, answer = request(0, "PUT", path, {"n": value + 1}, connection)
        check(status in (200, 201), f"nobody else writes, yet: {answer}")
        mine["sure"] = value + 1

    def append(self, connection):
        ids = [f"b{self.number}-{self.ledger['next'][self.number] + i}" for i in range(random.randint(1, 20))]
        self.ledger["next"][self.number] += len(ids)
        self.ledger["maybe"].update(ids)
        lines = "".join(f'{{"create":{{"_id":"{i}"}}}}\n{{"id":"{i}","n":[1,2]}}\n' for i in ids)
        status, answer = request(0, "POST", "/ledger/_bulk", lines.encode(), connection)
        check(status == 200 and not answer["errors"], f"{answer}")
        self.ledger["sure"].update(ids)


problems = []


def check(good, text):
    if not good:
        problems.append(text)
        raise OSError(text)


def verify(port, ledger):
    for number, mine in enumerate(ledger["count"]):
        status, doc = request(port, "GET", f"/ledger/_doc/w{number}", None)
        value = doc["_source"]["n"] if status == 200 else 0
        if value not in (mine["sure"], mine["maybe"]):
            problems.append(f"counter {number} is {value}, acknowledged was {mine['sure']}")
    found, after = set(), None
    while True:
        body = {"size": 10000, "sort": ["id.keyword"], "query": {"exists": {"field": "id.keyword"}}}
        if after:
            body["search_after"] = after
        status, answer = request(port, "POST", "/ledger/_search", body)
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


def main():
    program, kills = sys.argv[1], int(sys.argv[2])
    ledger = {"count": [{"sure": 0, "maybe": 0} for _ in range(WRITERS)], "next": [0] * WRITERS, "sure": set(), "maybe": set()}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(program, folder)
        store.start()
        for _ in range(kills):
            writers = [Writer(i, store.port, ledger) for i in range(WRITERS)]
            for w in writers:
                w.start()
            time.sleep(random.uniform(0.01, 0.25))
            store.kill()
            for w in writers:
                w.join()
            store.start()
            verify(store.port, ledger)
            if problems:
                break
        store.kill()
    for problem in problems[:10]:
        print("FAIL", problem)
    counted = sum(m["sure"] for m in ledger["count"])
    print(f"{kills} kills, {counted} compare-and-set writes and {len(ledger['sure'])} documents kept")
    print(f"{int(not problems)} passed, {int(bool(problems))} failed")
    sys.exit(bool(problems))


main()
