"""Starts the executables under test, and people on the chat. Everything here waits on an event; DEADLINE only ends a
test that has failed already."""

import json
import os
import queue
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from pathlib import Path

RELEASE = Path(__file__).resolve().parents[3] / "target" / "release"
CHATD = Path(os.environ.get("CHATD", RELEASE / "chatd")).resolve()
HARNESS = Path(os.environ.get("HARNESS", RELEASE / "examples" / "harness")).resolve()

DEADLINE = 30
PASSWORD = "correct horse battery"

WAYS = {"default": None, "websocket": ["websocket"], "polling": ["polling"]}
"""How a client connects: what it is called in a test, and its `transports`."""


def each_way(case):
    """Gives a test case once for each way to connect, as `case.way` and `case.transports`; itself it is none."""
    module = __import__(case.__module__)
    for way, transports in WAYS.items():
        name = f"{case.__name__}_{way}"
        made = type(name, (case,), {"way": way, "transports": transports, "__module__": case.__module__})
        setattr(module, name, made)
    return None


class Process:
    """A program, and the first line of what it says that matches a pattern."""

    def __init__(self, command, pattern, stdin=subprocess.DEVNULL):
        env = {name: value for name, value in os.environ.items() if not name.startswith("CHATD_")}
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=tempfile.gettempdir(),
            env=env,
            text=True,
        )
        self.output = ""
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        while True:
            line = self._lines.get(timeout=DEADLINE)
            if line is None:
                raise AssertionError(f"{command[0]} ended instead of starting: {self.output}")
            found = re.search(pattern, line)
            if found:
                self.port = int(found[1])
                return

    def _read(self):
        for line in self.child.stdout:
            self.output += line
            self._lines.put(line)
        self._lines.put(None)

    def ended(self):
        """Waits for its end and gives its exit code."""
        code = self.child.wait(timeout=DEADLINE)
        self._reader.join(timeout=DEADLINE)
        self.child.stdout.close()
        if "panicked" in self.output or " ERROR " in self.output:
            raise AssertionError(self.output)
        return code


class Chatd:
    """The chat server on a free port, with a data file of its own; `start` again takes the same ones."""

    def __init__(self, case, *flags):
        self.flags = flags
        folder = tempfile.TemporaryDirectory(prefix="chatd-test-")
        case.addCleanup(folder.cleanup)
        self.data = Path(folder.name) / "chat.redb"
        self.port = 0
        self.process = None
        self.start()
        case.addCleanup(self.stop)

    def start(self):
        # A Python client that disconnects while a POST of its own is under way does not say so, and then waits for its poll
        # to end: the next ping ends it, so pings are frequent.
        flags = ["--registration", "open", "--directory", "everyone", "--ping-interval", "2s", *self.flags]
        command = [CHATD, "--port", self.port, "--data", self.data, *flags]
        self.process = Process(command, r"http://127\.0\.0\.1:(\d+)/")
        self.port = self.process.port
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self, *arguments):
        """Runs a command beside the server, and gives what it prints."""
        command = [CHATD, "--data", self.data, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def kill(self):
        self.process.child.kill()
        self.process.ended()

    def stop(self):
        if self.process.child.poll() is not None:
            return
        self.process.child.terminate()
        try:
            code = self.process.ended()
        finally:
            self.process.child.kill()
        if code != 0:
            raise AssertionError(f"the server ended with {code}: {self.process.output}")

    def user(self, username):
        """Makes an account: `(id, auth)`, the second being what a client connects with."""
        body = json.dumps({"username": username, "password": PASSWORD}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/auth/register", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            data = json.load(response)["data"]
        return data["user"]["id"], {"token": data["token"]}


class Harness:
    """The server of a protocol fixture, on a free port."""

    def __init__(self, case, fixture):
        command = [HARNESS, "--fixture", fixture, "--port", "0", "--until-eof"]
        self.process = Process(command, r"^listening on (\d+)$", stdin=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self.process.port}"
        case.addCleanup(self.stop)

    def stop(self):
        self.process.child.stdin.close()
        try:
            code = self.process.ended()
        finally:
            self.process.child.kill()
        if code != 0:
            raise AssertionError(f"the harness ended with {code}: {self.process.output}")


class TestCase(unittest.TestCase):
    """What both kinds of client are tested with."""

    way = "default"
    transports = None

    def assert_transport(self, transport):
        """A default client has upgraded by the time that it is connected."""
        self.assertEqual(transport, "polling" if self.way == "polling" else "websocket")
