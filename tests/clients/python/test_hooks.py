"""What a hook tells, verified by the stock Python library of Standard Webhooks; and an app's own push of the guide."""

import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import socketio
from standardwebhooks import Webhook, WebhookVerificationError

from support import Chatd, DEADLINE

GUIDE = Path(__file__).resolve().parents[3] / "src" / "contract" / "documents" / "app.md"


def receiver(case):
    """Another system: its URL, and the requests that it gets, each as its text and its headers."""
    told = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            told.put((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    case.addCleanup(server.server_close)
    case.addCleanup(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}/told", told


def post(url, body, token=None):
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        return json.load(response)["data"]


class Hooks(unittest.TestCase):
    def test_the_stock_library_verifies_what_is_told(self):
        server = Chatd(self, "--hook-private", "--hook-direct")
        url, told = receiver(self)
        (_, ada), (bob_id, _) = server.user("ada"), server.user("bob")
        server.command("user", "promote", "ada")
        token = server.command("token", "ada")
        made = post(f"{server.url}/api/admin/hooks/out", {"url": url, "events": ["direct_message"]}, token)
        client = socketio.Client()
        client.connect(server.url, auth=ada)
        client.call("send_message", {"receiver_id": bob_id, "content": "Halo, dunia! 👋"}, timeout=DEADLINE)
        client.disconnect()
        body, headers = told.get(timeout=DEADLINE)
        webhook = Webhook(made["secret"])
        event = webhook.verify(body, headers)
        self.assertEqual(event["data"]["content"], "Halo, dunia! 👋")
        self.assertEqual(event["offline"], [bob_id])
        with self.assertRaises(WebhookVerificationError):
            webhook.verify(body.replace("Halo", "Hola"), headers)

    def test_the_push_of_the_guide_pushes_to_those_who_are_not_there(self):
        source = re.search(r"```python\n(# push\.py.*?)```", GUIDE.read_text(), re.DOTALL)[1]
        self.assertLessEqual(len(source.splitlines()), 25)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Chatd(self, "--hook-private", "--hook-direct")
        (_, ada), (bob_id, _) = server.user("ada"), server.user("bob")
        server.command("user", "promote", "ada")
        made = post(f"{server.url}/api/admin/hooks/out", {"url": f"http://127.0.0.1:{port}/"}, server.command("token", "ada"))
        env = {**os.environ, "SECRET": made["secret"], "PORT": str(port)}
        app = subprocess.Popen([sys.executable, "-c", source], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(app.stdout.close)
        self.addCleanup(app.wait)
        self.addCleanup(app.kill)
        client = socketio.Client()
        client.connect(server.url, auth=ada)
        client.call("send_message", {"receiver_id": bob_id, "content": "Are you there?"}, timeout=DEADLINE)
        client.disconnect()
        self.assertEqual(app.stdout.readline(), f"to {bob_id}: Are you there?\n")
