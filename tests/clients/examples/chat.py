"""A whole client in Python: it signs in, says what happened since it last ran, reads a history, sends a message, and
prints what the other person answers, until that is "bye".

    pip install "python-socketio[client]"
    CHATD_USER=ada CHATD_PASSWORD=… python chat.py bob "Halo!"

At its end it prints a cursor. Give it as CHATD_CURSOR to the next run.
"""

import json
import os
import queue
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid

import socketio

URL = os.environ.get("CHATD_URL", "http://127.0.0.1:8080")
peer_name, content = sys.argv[1:]
token = None


def call(method, path, body=None):
    """Calls a route: the whole answer. A refusal is an error with its code."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as refused:
        error = json.load(refused)["error"]
        raise SystemExit(f"{method} {path}: {error['code']}: {error['message']}") from None


def say(*words):
    print(*words, flush=True)


account = {"username": os.environ["CHATD_USER"], "password": os.environ["CHATD_PASSWORD"]}
token = call("POST", "/api/auth/login", account)["data"]["token"]

people = call("GET", f"/api/users?query={urllib.parse.quote(peer_name)}")["data"]
peer = next((person for person in people if person["username"] == peer_name), None)
if peer is None:
    raise SystemExit(f"there is no {peer_name}, or one may not find them")

# What happened since the last run, in order and page by page.
since = os.environ.get("CHATD_CURSOR")
while since:
    page = call("GET", f"/api/updates?since={urllib.parse.quote(since)}")
    for happened in page["data"]:
        say("missed", happened["event"], happened["data"].get("content", ""))
    since = page["meta"]["cursor"] if page["meta"]["has_more"] else None

for message in call("GET", f"/api/chats/history/{peer['id']}?limit=20")["data"]:
    say(peer_name if message["sender_id"] == peer["id"] else "you", message["content"])

client = socketio.Client()
heard = queue.Queue()


@client.event
def receive_message(message):
    """chatd gives clients of Python no cursor: one parameter is all that there is."""
    if message["sender_id"] == peer["id"]:
        heard.put(message)


# A function, so that a client which comes back after its token has expired can bring a fresh one.
client.connect(URL, auth=lambda: {"token": token, "v": 2})
ack = client.call("send_message", {"receiver_id": peer["id"], "content": content, "client_id": str(uuid.uuid4())})
if not ack["success"]:
    raise SystemExit(f"{ack['error']['code']}: {ack['error']['message']}")
say("you", ack["data"]["content"])

while True:
    message = heard.get()
    say(peer_name, message["content"])
    if message["content"] == "bye":
        break

client.call("mark_chat_as_read", {"user_id": peer["id"]})
say("cursor", call("GET", "/api/updates")["meta"]["cursor"])
client.disconnect()
