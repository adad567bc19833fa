# SPDX-License-Identifier: BSD-3-Clause
"""What bench/run measures of supervision: the supervisor's memory and processor time, the start of 200
supervised servers, and how soon a server, a pod, a host that is gone is no longer among the answers."""
import os
import pathlib
import random
import re
import select
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

PODS = 200
KILLS = 100
LOST_PODS = 50  # supervisor and server killed at once, so that nobody says anything
LOSSES = 2  # times so many, with reports every 3 s; as many again within the window would be held
WINDOW_SECONDS = 95  # a little more than the registry's protect-window
IDLE_SECONDS = 30
PORTS = (26000, 29999)  # of the pods; below those that the kernel gives to clients
OBJECT = "Demo.SimpleServer.HelloObj"


# ---- asking the registry ------------------------------------------------------------------------


def text(tag, value):
    return bytes([tag << 4 | 6, len(value)]) + value.encode()


def find_request(name):
    """findObjectById as a version 1 call."""
    body = text(1, name)
    fields = (
        b"\x10\x01\x2c\x3c\x40\x01"
        + text(5, "tars.tarsregistry.QueryObj")
        + text(6, "findObjectById")
        + b"\x7d\x00\x00"
        + bytes([len(body)])
        + body
        + b"\x81\x13\x88\x98\x0c\xa8\x0c"
    )
    return struct.pack(">I", len(fields) + 4) + fields


class Watch:
    """Knows at any time which hosts the object has."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = find_request(OBJECT)

    def read(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise SystemExit("bench: the registry closed the connection")
            got += more
        return got

    def hosts(self):
        self.socket.sendall(self.request)
        answer = self.read(struct.unpack(">I", self.read(4))[0] - 4)
        return {host.decode() for host in re.findall(rb"\x06[\x07-\x0f](127\.1\.\d+\.\d+)", answer)}

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not condition(self.hosts()):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {what} did not happen within {seconds} s")
            time.sleep(0.001)
        return time.monotonic()


# ---- pods ---------------------------------------------------------------------------------------


class Pod:
    """A folder as an image brings it, an address of its own, and what runs there."""

    def __init__(self, build, folder, number, locator, **more):
        self.host = f"127.1.{number // 200}.{number % 200 + 1}"
        self.path = folder / f"pod{number}"
        for part in ("bin", "conf", "data", "log"):
            (self.path / part).mkdir(parents=True)
        (self.path / "bin/_server_meta.yaml").write_text(
            "application: Demo\nserver: SimpleServer\nadapters:\n- object: HelloObj\n  threads: 1\n"
        )
        start = self.path / "bin/start.sh"
        start.write_text(
            "#!/bin/sh\necho $$ >$TARS_PATH/pid\n"
            f"exec {build}/examples/simpleserver --config=$TARS_PATH/conf/SimpleServer.conf\n"
        )
        start.chmod(0o755)
        self.environment = {
            "PATH": os.environ["PATH"],
            "TARS_PATH": str(self.path),
            "POD_IP": self.host,
            "TARS_LOCATOR": locator,
            "TARS_RAND_PORT_MIN": str(PORTS[0]),
            "TARS_RAND_PORT_MAX": str(PORTS[1]),
            "TARS_PRESTOP_WAITTIME": "0",
            **more,
        }

    def start(self, *command):
        self.process = subprocess.Popen(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        )

    def server(self):
        return int((self.path / "pid").read_text())

    def kill_all(self):
        for pid in (self.process.pid, self.server()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait_for_server(self, deadline):
        """Until its port accepts."""
        config = (self.path / "conf/SimpleServer.conf").read_text()
        port = int(re.search(rf"-h {re.escape(self.host)} -p (\d+)", config).group(1))
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, port), 0.5).close()
                return
            except OSError:
                time.sleep(0.002)
        raise SystemExit(f"bench: the server of {self.path} does not start")


class Supervision:
    def __init__(self, build, folder, query_port, locator):
        self.build = build
        self.folder = folder
        self.query_port = query_port
        self.lost_at = -WINDOW_SECONDS
        self.pods = [Pod(build, folder, n, locator) for n in range(PODS)]

    def stop(self):
        """In order; a server that is left would hold its ports."""
        for pod in self.pods:
            if pod.process.poll() is None:
                pod.process.terminate()
        deadline = time.monotonic() + 20
        for pod in self.pods:
            try:
                pod.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pod.kill_all()
                pod.process.wait()

    def starts(self):
        """(s until all 200 are registered and active, s until 200 servers alone accept)."""
        began = time.monotonic()
        for pod in self.pods:
            pod.start(self.build / "bin/tarscli", "supervisor")
        self.watch = Watch(self.query_port)  # the registry closes one that asks nothing for long
        supervised = self.watch.wait(lambda h: len(h) == PODS, 180, "the start of all pods") - began
        self.stop()
        self.watch = Watch(self.query_port)
        self.watch.wait(lambda h: not h, 30, "the end of all pods")
        began = time.monotonic()
        for pod in self.pods:
            pod.start(pod.path / "bin/start.sh")
        for pod in self.pods:
            pod.wait_for_server(began + 180)
        alone = time.monotonic() - began
        self.stop()
        for pod in self.pods:
            pod.start(self.build / "bin/tarscli", "supervisor")
        self.watch = Watch(self.query_port)
        self.watch.wait(lambda h: len(h) == PODS, 180, "the second start of all pods")
        return supervised, alone

    def killed_servers(self):
        """Ms from kill -9 of a server to answers without it, sorted."""
        took = []
        for pod in random.Random(1).sample(self.pods, KILLS):
            os.kill(pod.server(), signal.SIGKILL)
            began = time.monotonic()
            took.append((self.watch.wait(lambda h: pod.host not in h, 30, "a removal") - began) * 1000)
        return sorted(took)

    def lost_pods(self, interval, first):
        """Ms from the death of pods, each with its reports `interval` apart, to answers without them.
        Their numbers begin at `first`. Waits until the registry has forgotten earlier losses."""
        time.sleep(max(0, self.lost_at + WINDOW_SECONDS - time.monotonic()))
        pods = [
            Pod(self.build, self.folder, first + n, self.locator(), TARS_KEEPALIVE_INTERVAL=interval)
            for n in range(LOST_PODS)
        ]
        before = self.pods
        self.pods = before + pods
        for pod in pods:
            pod.start(self.build / "bin/tarscli", "supervisor")
        hosts = {pod.host for pod in pods}
        self.watch = Watch(self.query_port)
        self.watch.wait(lambda h: hosts <= h, 60, "the start of more pods")
        time.sleep(15)  # the registry learns how they report, and that it can reach them
        took = []
        chance = random.Random(2)

        def lose(pod, wait):
            time.sleep(wait)
            watch = Watch(self.query_port)  # the registry closes one that asks nothing for long
            pod.kill_all()
            began = time.monotonic()
            while pod.host in watch.hosts():
                time.sleep(0.02)
                if time.monotonic() - began > 120:
                    break
            took.append((time.monotonic() - began) * 1000)

        threads = [threading.Thread(target=lose, args=(pod, chance.uniform(0, 8))) for pod in pods]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(took) != len(pods):  # what ends a thread is not told otherwise
            raise SystemExit(f"bench: {len(pods) - len(took)} of {len(pods)} lost pods were not watched")
        for pod in pods:
            pod.process.wait()
        self.pods = before
        self.lost_at = time.monotonic()
        return sorted(took)

    def locator(self):
        return self.pods[0].environment["TARS_LOCATOR"]


# ---- the core alone -----------------------------------------------------------------------------


def free_ports(count):
    """The first of so many in a row on which nobody listens."""
    for base in range(PORTS[0], PORTS[1] - count, count):
        try:
            for port in range(base, base + count):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise SystemExit("bench: no free ports")


def core(out, folder, servers, measure):
    """The supervisor core with that many servers: what `measure` says of its process."""
    work = folder / f"core{servers}"
    work.mkdir()
    process = subprocess.Popen(
        [str(out / "supervise"), str(servers), str(free_ports(servers)), str(work)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        came, _, _ = select.select([process.stdout], [], [], 60)
        if not came or not process.stdout.readline().startswith("ready"):
            raise SystemExit(f"bench: {servers} servers do not start")
        time.sleep(2)
        return measure(process.pid)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


# ---- the report ---------------------------------------------------------------------------------


def spread(took):
    """min, median, p90, p99, max."""
    at = lambda share: took[min(len(took) - 1, int(len(took) * share))]
    return took[0], statistics.median(took), at(0.9), at(0.99), took[-1]


def report_times(report, rows):
    report.table("from … to answers without it", "times", "min", "median", "p90", "p99", "max", "to reach", "reached")
    for name, took, limit in rows:
        cells = [f"{ms:,.0f} ms" for ms in spread(took)]
        report.row(name, len(took), *cells, f"max ≤ {limit} s", report.verdict(took[-1] <= limit * 1000))


def measure(report, build, out, folder, suite, memory_mb, cpu_seconds):
    def idle(pid):
        before = cpu_seconds(pid)
        time.sleep(IDLE_SECONDS)
        return memory_mb(pid)[0], (cpu_seconds(pid) - before) / IDLE_SECONDS

    one = core(out, folder, 1, lambda pid: memory_mb(pid)[0])
    many, cpu = core(out, folder, PODS, idle)
    supervision = Supervision(build, folder, suite.query, suite.locator)
    try:
        supervised, alone = supervision.starts()
        time.sleep(3)
        pod = memory_mb(supervision.pods[0].process.pid)[0]
        killed = supervision.killed_servers()
        supervision.watch = Watch(suite.query)
        supervision.watch.wait(lambda h: len(h) >= PODS, 120, "the return of the killed servers")
        ours = sorted(ms for n in range(LOSSES) for ms in supervision.lost_pods("3s", PODS + n * LOST_PODS))
        original = supervision.lost_pods("30s", PODS + LOSSES * LOST_PODS)
    finally:
        supervision.stop()
    report.say()
    report.say("## Supervision")
    report.say()
    report.table("figure", "measured", "to reach", "reached")
    report.row("tarscli with its server, resident", f"{pod:.1f} MB", "≤ 4 MB", report.verdict(pod <= 4))
    report.row("supervisor core, 1 server, resident", f"{one:.1f} MB", "≤ 4 MB", report.verdict(one <= 4))
    report.row(f"supervisor core, {PODS} servers, resident", f"{many:.1f} MB", "≤ 20 MB", report.verdict(many <= 20))
    report.row(
        f"supervisor core, {PODS} servers, idle, processor ({IDLE_SECONDS} s)",
        f"{cpu:.2%}", "≤ 0.5 %", report.verdict(cpu <= 0.005),
    )
    report.row(
        f"{PODS} pods started at once, all registered and active (the servers alone: {alone:.1f} s)",
        f"{supervised:.1f} s", f"≤ {alone + 10:.1f} s", report.verdict(supervised <= alone + 10),
    )
    report.say()
    report_times(
        report,
        (
            ("kill -9 of a server under tarscli", killed, 1),
            # 10 s after the last report to the moment, never sooner; seen a look (20 ms) and an answer later
            ("kill -9 of tarscli and its server, reports every 3 s", ours, 10.05),
            ("the same with reports every 30 s", original, 10),
        ),
    )
