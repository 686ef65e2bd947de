"""The stock Python client, the asyncio kind."""

import asyncio
import unittest

import socketio

from support import DEADLINE, Chatd, Harness, TestCase, each_way


@each_way
class AsyncClient(TestCase, unittest.IsolatedAsyncioTestCase):
    def client(self):
        """A client whose events wait in a queue: `(event, args)`."""
        client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
        client.heard = asyncio.Queue()
        client.on("*", lambda event, *args: client.heard.put_nowait((event, args)))
        for event in ("connect", "connect_error", "disconnect"):
            client.on(event, lambda *args, event=event: client.heard.put_nowait((event, args)))
        self.addAsyncCleanup(client.shutdown)
        return client

    async def connect(self, url, auth=None):
        client = self.client()
        await client.connect(url, auth=auth, transports=self.transports, wait_timeout=DEADLINE)
        await self.next(client, "connect")
        self.assert_transport(client.transport())
        return client

    async def next(self, client, event):
        """The arguments of the next event of this name; others before it are dropped."""
        while True:
            name, args = await asyncio.wait_for(client.heard.get(), DEADLINE)
            if name == event:
                return args

    async def send(self, client, receiver, content):
        payload = {"receiver_id": receiver, "content": content}
        answer = await client.call("send_message", payload, timeout=DEADLINE)
        self.assertTrue(answer["success"], answer)
        self.assertEqual(answer["data"]["content"], content)
        return answer["data"]["id"]

    async def test_sends_with_an_ack_and_the_receiver_hears(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = await self.connect(server.url, auth_a), await self.connect(server.url, auth_b)
        sent = await self.send(a, bob, "Halo, “b”! 😀")
        self.assertEqual((await self.next(a, "message_sent"))[0]["id"], sent)
        received = (await self.next(b, "receive_message"))[0]
        self.assertEqual((received["id"], received["sender_id"], received["content"]), (sent, ada, "Halo, “b”! 😀"))
        back = await self.send(b, ada, "and back")
        self.assertEqual((await self.next(a, "receive_message"))[0]["id"], back)
        await b.emit("typing", {"receiver_id": ada, "is_typing": True})
        self.assertEqual((await self.next(a, "typing"))[0], {"user_id": bob, "is_typing": True})
        refused = await a.call("send_message", {"receiver_id": bob, "content": ""}, timeout=DEADLINE)
        self.assertEqual((refused["success"], refused["error"]["code"]), (False, "empty_message"))

    async def test_a_listener_with_one_parameter_hears_every_message(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        client = self.client()

        # As the documentation of the library has them: without `*args`, so that one argument more would raise.
        def receive_message(data):
            client.heard.put_nowait(("received", data["content"]))

        def message_sent(data):
            client.heard.put_nowait(("sent", data["content"]))

        def messege_read(data):
            client.heard.put_nowait(("read", data["message_id"]))

        def chat_read(data):
            client.heard.put_nowait(("chat", data["reader_id"]))

        client.handlers.clear()
        for listener in (receive_message, message_sent, messege_read, chat_read):
            client.event(listener)
        await client.connect(server.url, auth=auth_b, transports=self.transports, wait_timeout=DEADLINE)
        a = await self.connect(server.url, auth_a)
        await self.send(a, bob, "to bob")
        mine = await self.send(client, ada, "to ada")
        await a.call("mark_chat_as_read", {"user_id": bob}, timeout=DEADLINE)
        for expected in (("received", "to bob"), ("sent", "to ada"), ("chat", ada), ("read", mine)):
            heard = await asyncio.wait_for(client.heard.get(), DEADLINE)
            self.assertEqual(heard, expected)

    async def test_hears_of_a_burst_to_its_end(self):
        """With more than 16 packets in the answer to one poll the client gave up, and none of them was heard."""
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = await self.connect(server.url, auth_a), await self.connect(server.url, auth_b)
        sent = [await self.send(b, ada, f"{number}") for number in range(20)]
        answer = await a.call("mark_chat_as_read", {"user_id": bob}, timeout=DEADLINE)
        self.assertEqual(answer["data"]["count"], len(sent))
        read = [(await self.next(b, "messege_read"))[0]["message_id"] for _ in sent]
        self.assertEqual(sorted(read), sent)

    async def test_is_refused_with_a_bad_token_and_told_why(self):
        server = Chatd(self)
        for auth, code in (({"token": "nonsense"}, "invalid_token"), ({}, "missing_token"), (None, "missing_token")):
            client = self.client()
            with self.assertRaises(socketio.exceptions.ConnectionError):
                await client.connect(server.url, auth=auth, transports=self.transports, wait_timeout=DEADLINE)
            error = (await self.next(client, "connect_error"))[0]
            self.assertEqual((error["message"], error["data"]["code"]), (code.replace("_", " "), code))
            self.assertFalse(client.connected)

    async def test_reconnects_by_itself_when_the_server_is_killed_and_started_again(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = await self.connect(server.url, auth_a), await self.connect(server.url, auth_b)
        before = await self.send(a, bob, "before")
        await self.next(b, "receive_message")
        server.kill()
        for client in (a, b):
            await self.next(client, "disconnect")
        server.start()
        for client in (a, b):
            await self.next(client, "connect")
        after = await self.send(a, bob, "after")
        self.assertGreater(after, before)
        self.assertEqual((await self.next(b, "receive_message"))[0]["id"], after)

    async def test_gets_text_and_binary_back_as_they_were(self):
        client = await self.connect(Harness(self, "protocol").url)
        for sent in (
            ("text", 1, -0.5, True, None, "“ünï”\u2028😀", {"deep": [{"er": []}]}),
            (b"\x00\x01\xff", "between", {"nested": [b"", b"\x07"]}),
        ):
            await client.emit("message", sent)
            self.assertEqual(await self.next(client, "message-back"), sent)
            self.assertEqual(await client.call("message-with-ack", sent, timeout=DEADLINE), sent)
        self.assertEqual(await client.call("message-with-ack", b"alone", timeout=DEADLINE), b"alone")

    async def test_answers_an_event_that_asks_for_an_ack(self):
        client = await self.connect(Harness(self, "socket-client").url)
        client.on("ack", lambda: (5, {"test": True}))
        await client.emit("ack")
        await self.next(client, "got it")
        self.assertEqual(await client.call("echo", {"data": [b"\x01"]}, timeout=DEADLINE), {"data": [b"\x01"]})

    async def test_hears_its_auth_in_both_namespaces_of_one_connection(self):
        server = Harness(self, "protocol")
        client = self.client()
        client.on("auth", lambda auth: client.heard.put_nowait(("custom", (auth,))), namespace="/custom")
        namespaces = ["/", "/custom"]
        options = {"transports": self.transports, "namespaces": namespaces, "wait_timeout": DEADLINE}
        await client.connect(server.url, auth={"token": "word"}, **options)
        self.assertEqual(set(client.namespaces), set(namespaces))
        self.assertNotEqual(client.get_sid("/"), client.get_sid("/custom"))
        greetings = [await asyncio.wait_for(client.heard.get(), DEADLINE) for _ in range(3)]
        for name in ("auth", "custom"):
            self.assertIn((name, ({"token": "word"},)), greetings)

    async def test_is_refused_a_namespace(self):
        server = Harness(self, "socket-client")
        for namespace, message in (("/no", "Auth failed (custom namespace)"), ("/random", "Invalid namespace")):
            client = self.client()
            client.on("connect_error", lambda error: client.heard.put_nowait(("refused", (error,))), namespace=namespace)
            options = {"transports": self.transports, "namespaces": [namespace], "wait_timeout": DEADLINE}
            with self.assertRaises(socketio.exceptions.ConnectionError):
                await client.connect(server.url, **options)
            error = (await self.next(client, "refused"))[0]
            self.assertEqual(error["message"] if isinstance(error, dict) else error, message)
