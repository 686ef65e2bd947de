"""The FastAPI backend of the guide "Add chat to your app", as it stands there: RS256, and keys that are rotated."""

import asyncio
import json
import os
import re
import tempfile
import urllib.request
from pathlib import Path

import httpx
import jwt
import socketio

from support import DEADLINE, Chatd, TestCase

GUIDE = Path(__file__).resolve().parents[3] / "src" / "contract" / "documents" / "app.md"
EVE, BOB = "3b241101-e2bb-4255-8caf-4136c566a962", "auth0|5f7c8ec7c33c6c004bbafe82"
FLAGS = ["--jwt-issuer", "shop", "--jwt-audience", "chat", "--provision-users"]


def backend():
    """The guide's program as a module's names."""
    (text,) = re.findall(r"^```python\n(# server\.py\n.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(text, "server.py", "exec"), names)
    return names


def ask(server, token, path):
    request = urllib.request.Request(server.url + path, headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return response.status, json.load(response)["data"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]["code"]


class Guide(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="chatd-test-")
        self.addCleanup(folder.cleanup)
        self.keys = os.path.join(folder.name, "keys.json")
        self.backend = backend()
        self.backend["rotate"](self.keys)
        self.server = Chatd(self, "--jwt-jwks", self.keys, *FLAGS)

    async def token(self, user):
        transport = httpx.ASGITransport(app=self.backend["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            answer = await client.post(f"/chat-token/{user}")
            return answer.json()["token"]

    async def until_known(self, token):
        """A key file that has changed counts within seconds; a token of its new key is refused until then."""
        end = asyncio.get_running_loop().time() + DEADLINE
        while True:
            status, data = await asyncio.to_thread(ask, self.server, token, "/api/auth/me")
            if status == 200:
                return data
            self.assertLess(asyncio.get_running_loop().time(), end, data)

    def test_users_of_an_app_chat_while_its_keys_are_rotated(self):
        asyncio.run(self.talk())

    async def talk(self):
        first = await self.token(EVE)
        eve, bob = socketio.AsyncClient(), socketio.AsyncClient()
        heard = asyncio.Queue()

        @bob.event
        async def receive_message(message):
            await heard.put(message)

        try:
            await eve.connect(self.server.url, auth={"token": first}, wait_timeout=DEADLINE)
            # A second key: who came by the first one stays.
            self.backend["rotate"](self.keys)
            second = await self.token(BOB)
            self.assertNotEqual(jwt.get_unverified_header(first)["kid"], jwt.get_unverified_header(second)["kid"])
            bobs = await self.until_known(second)
            await bob.connect(self.server.url, auth={"token": second}, wait_timeout=DEADLINE)
            message = {"receiver_id": bobs["id"], "content": "Halo!"}
            answer = await eve.call("send_message", message, timeout=DEADLINE)
            self.assertTrue(answer["success"], answer)
            self.assertEqual((await asyncio.wait_for(heard.get(), DEADLINE))["content"], "Halo!")
            # With the third the first is gone, and so are its sockets.
            gone = asyncio.Event()
            eve.on("disconnect", lambda *_: gone.set())
            self.backend["rotate"](self.keys)
            await asyncio.wait_for(gone.wait(), DEADLINE)
            self.assertEqual(ask(self.server, first, "/api/auth/me"), (401, "invalid_token"))
            self.assertEqual(ask(self.server, second, "/api/auth/me")[0], 200)
        finally:
            await eve.disconnect()
            await bob.disconnect()

    def test_a_bot_talks_by_its_key(self):
        asyncio.run(self.bot())

    async def bot(self):
        first = await self.token(EVE)
        _, eve = ask(self.server, first, "/api/auth/me")
        key = self.server.command("bot", "add", "shop")
        client = socketio.AsyncClient()
        gone = asyncio.Event()
        client.on("disconnect", lambda *_: gone.set())
        try:
            await client.connect(self.server.url, auth={"token": key}, wait_timeout=DEADLINE)
            message = {"receiver_id": eve["id"], "content": "Shipped", "client_id": "order-7"}
            answer = await client.call("send_message", message, timeout=DEADLINE)
            self.assertTrue(answer["success"], answer)
            status, unread = ask(self.server, first, "/api/chats/unread")
            self.assertEqual((status, [row["content"] for row in unread]), (200, ["Shipped"]))
            number = self.server.command("bot", "revoke", "shop").splitlines()[1].split()[0]
            self.server.command("bot", "revoke", "shop", number)
            await asyncio.wait_for(gone.wait(), DEADLINE)
            self.assertEqual(ask(self.server, key, "/api/auth/me"), (401, "invalid_token"))
        finally:
            await client.disconnect()
