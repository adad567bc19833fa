# SPDX-License-Identifier: BSD-3-Clause
"""Servers for tests: the embedded store, and real ones (see real). Each starts on a free port with a
folder of its own, can be killed and started again on it, and ends with this process."""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent
claims = []  # held until this process ends


# Below the ports of outgoing connections: one of those that ask while the server is down would
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


def request(port, method, path, body, connection=None):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, body=data, headers={"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or "null")


class Server:
    """Use as a context manager: what it leaves on disk goes at the end."""

    ready, patience = "/", 10

    def __init__(self):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="tars-store-")
        self.env = dict(os.environ)
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.folder + "/log", "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            try:
                if request(self.port, "GET", self.ready, None)[0] == 200:
                    return
            except (OSError, http.client.HTTPException, ValueError):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        print(open(self.folder + "/log", errors="replace").read()[-4000:])
        raise SystemExit(f"{self.name} " + (f"ended with {self.process.returncode}" if self.process.poll() is not None else "does not answer"))

    def signal(self, number):
        if self.process:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As a power failure: all its processes at once."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()


class Embedded(Server):
    def __init__(self, program):
        super().__init__()
        self.name = "the store"
        self.env.update(TARS_ELASTICSEARCH_PORT=str(self.port), TARS_ELASTICSEARCH_HTTP_PORT="0")
        self.command = [program, "--data", self.folder + "/data"]


class Real(Server):
    ready, patience = "/_cluster/health?wait_for_status=yellow&timeout=1s", 180

    def __init__(self, name):
        super().__init__()
        self.name = name
        os.chmod(self.folder, 0o711)  # the server runs as nobody
        subprocess.run([HERE / "real", "fetch", name], check=True)
        self.command = [HERE / "real", "run", name, str(self.port), self.folder + "/server"]
