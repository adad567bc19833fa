# SPDX-License-Identifier: BSD-3-Clause
"""Floods an embedded store that has small limits: flood.py STORE DATA. Others must be served meanwhile,
and memory stay bounded. The test is tests/integration/store_flood_test.sh."""
import contextlib, gzip, json, os, re, select, socket, subprocess, sys, threading, time
import urllib.error, urllib.request

store, data = sys.argv[1:]
LIMITS = {"BODY_LIMIT_MB": 1, "MEMORY_LIMIT_MB": 8, "QUEUE_LIMIT": 2, "READERS": 1, "CONNECTIONS": 400,
          "IDLE_SECONDS": 2, "TRANSFER_SECONDS": 3}
# What may be added by any flood: the limit, and what malloc keeps (much more when it is a checking one).
GROWTH_KB = (256 if "address" in store or "thread" in store else 48) * 1024
passed = failed = 0


def ok(name, good, more=""):
    global passed, failed
    passed += bool(good)
    if not good:
        failed += 1
        print("FAIL: %s %s" % (name, more))


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


port, http = free_port(), free_port()
environment = dict(os.environ, TARS_ELASTICSEARCH_PORT=str(port), TARS_ELASTICSEARCH_HTTP_PORT=str(http))
environment.update(("TARS_ELASTICSEARCH_" + name, str(value)) for name, value in LIMITS.items())
process = subprocess.Popen([store, "--data", data], env=environment, stderr=open(data + ".log", "w"))


def ask(path, body=None, method=None, headers=(), at=None):
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (at or port, path), data=body, method=method,
                                     headers=dict({"Content-Type": "application/json"}, **dict(headers)))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(name):
    return float(re.search("^%s (.*)$" % name, ask("/metrics", at=http)[1], re.M).group(1))


def resident():
    return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % process.pid).read()).group(1))


def eventually(condition, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        with contextlib.suppress(OSError, AttributeError):
            if condition():
                return True
        time.sleep(0.05)
    return False


def connect():
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    return s


def is_closed(s):
    if not select.select([s], [], [], 0)[0]:
        return False
    try:
        return s.recv(65536) == b""
    except OSError:
        return True


def all_closed(connections):
    connections[:] = [s for s in connections if not is_closed(s)]
    return not connections


def error_type(answer):
    return json.loads(answer[1])["error"]["type"]


def served(times=20):
    return [s for s, _ in (ask("/x/_doc/1") for _ in range(times)) if s != 200]


def large_bodies():
    body = b'{"a":"' + b"x" * 2000000 + b'"}'
    answer = ask("/x/_doc/2", body, "PUT")
    ok("a body over the limit is refused", answer[0] == 413, answer)
    ok("with its reason", error_type(answer) == "content_too_long_exception")
    answer = ask("/x/_doc/2", gzip.compress(body), "PUT", {"Content-Encoding": "gzip"})
    ok("one that becomes too large too", answer[0] == 413, answer)
    ok("both are counted", metric("tars_store_too_large_total") == 2)


def bodies_that_never_end():
    before = resident()
    head = b"PUT /x/_doc/3 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    connections = [connect() for _ in range(60)]
    for s in connections:
        s.sendall(head + b'{"a":"' + b"x" * 600000)
    ok("more than memory is refused", eventually(lambda: metric("tars_store_rejected_total") > 0))
    ok("memory is bounded", resident() - before < GROWTH_KB, "%d KB" % (resident() - before))
    refused = served()
    ok("others are served", not refused, refused)
    ok("they are closed in time", eventually(lambda: all_closed(connections)))
    ok("then there is room again", ask("/x/_doc/4", b'{"a":"' + b"x" * 900000 + b'"}', "PUT")[0] == 201)


def trickling_heads():
    connections = [connect() for _ in range(30)]
    end = time.time() + 20
    while connections and time.time() < end:
        for s in connections:
            with contextlib.suppress(OSError):
                s.send(b"G" if time.time() > end - 19.9 else b"GET /x/_doc/1 HTTP/1.1\r\nX: ")
        all_closed(connections)
        time.sleep(0.1)
    ok("who sends a letter now and then is closed", not connections, len(connections))
    ok("and counted", metric("tars_store_slow_total") >= 30, metric("tars_store_slow_total"))


def crowds():
    statuses, types = [], set()

    def search():
        for _ in range(8):
            answer = ask("/many/_search?size=0", b'{"query":{"wildcard":{"k.keyword":"*7*3*"}},"aggs":{"k":{"terms":{"field":"k.keyword"}}}}')
            statuses.append(answer[0])
            if answer[0] == 429:
                types.add(error_type(answer))

    threads = [threading.Thread(target=search) for _ in range(40)]
    before = resident()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    ok("a crowd is answered in part", statuses.count(200) > 0)
    ok("and the rest refused", statuses.count(429) > 0 and set(statuses) == {200, 429}, set(statuses))
    ok("as Elasticsearch does it", types == {"es_rejected_execution_exception"}, types)
    ok("memory is bounded in the crowd", resident() - before < GROWTH_KB, "%d KB" % (resident() - before))
    ok("afterwards all are served", not served())


def answers_that_nobody_reads():
    before, rejected, connections = resident(), metric("tars_store_rejected_total"), []
    for i in range(40):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.sendall(b"GET /x/_doc/4 HTTP/1.1\r\nHost: x\r\n\r\n")
        connections.append(s)
    ok("answers that nobody reads are bounded", eventually(lambda: metric("tars_store_rejected_total") > rejected))
    ok("as is memory", resident() - before < GROWTH_KB, "%d KB" % (resident() - before))
    for s in connections:
        s.settimeout(0.01)
    ok("who does not read is closed", eventually(lambda: ask("/x/_doc/4")[0] == 200))
    for s in connections:
        s.close()


try:
    assert eventually(lambda: ask("/x/_doc/1", b"{}", "PUT")[0] == 201), "the store does not start"
    for part in range(10):
        lines = "".join('{"index":{}}\n{"k":"k%d"}\n' % (part * 2000 + i) for i in range(2000))
        assert ask("/many/_bulk", lines.encode(), "POST")[0] == 200
    large_bodies()
    bodies_that_never_end()
    trickling_heads()
    crowds()
    answers_that_nobody_reads()
    ok("nothing is left open", eventually(lambda: metric("tars_store_connections") == 0))
    process.terminate()
    ok("it stops in order", process.wait(20) == 0)
finally:
    process.kill()
    process.wait()
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
