"""The stock Python client, the kind that runs in threads."""

import queue

import socketio

from support import DEADLINE, Chatd, Harness, TestCase, each_way


@each_way
class SyncClient(TestCase):
    def client(self):
        """A client whose events wait in a queue: `(event, args)`."""
        client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
        client.heard = queue.Queue()
        client.on("*", lambda event, *args: client.heard.put((event, args)))
        for event in ("connect", "connect_error", "disconnect"):
            client.on(event, lambda *args, event=event: client.heard.put((event, args)))
        self.addCleanup(client.shutdown)
        return client

    def connect(self, url, auth=None, **options):
        client = self.client()
        client.connect(url, auth=auth, transports=self.transports, wait_timeout=DEADLINE, **options)
        self.next(client, "connect")
        self.assert_transport(client.transport())
        return client

    def next(self, client, event):
        """The arguments of the next event of this name; others before it are dropped."""
        while True:
            name, args = client.heard.get(timeout=DEADLINE)
            if name == event:
                return args

    def send(self, client, receiver, content):
        payload = {"receiver_id": receiver, "content": content}
        answer = client.call("send_message", payload, timeout=DEADLINE)
        self.assertTrue(answer["success"], answer)
        self.assertEqual(answer["data"]["content"], content)
        return answer["data"]["id"]

    def test_sends_with_an_ack_and_the_receiver_hears(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = self.connect(server.url, auth_a), self.connect(server.url, auth_b)
        sent = self.send(a, bob, "Halo, “b”! 😀")
        self.assertEqual(self.next(a, "message_sent")[0]["id"], sent)
        received = self.next(b, "receive_message")[0]
        self.assertEqual((received["id"], received["sender_id"], received["content"]), (sent, ada, "Halo, “b”! 😀"))
        back = self.send(b, ada, "and back")
        self.assertEqual(self.next(a, "receive_message")[0]["id"], back)
        b.emit("typing", {"receiver_id": ada, "is_typing": True})
        self.assertEqual(self.next(a, "typing")[0], {"user_id": bob, "is_typing": True})
        refused = a.call("send_message", {"receiver_id": bob, "content": ""}, timeout=DEADLINE)
        self.assertEqual((refused["success"], refused["error"]["code"]), (False, "empty_message"))

    def test_a_listener_with_one_parameter_hears_every_message(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        client = self.client()

        # As the documentation of the library has them: without `*args`, so that one argument more would raise.
        def receive_message(data):
            client.heard.put(("received", data["content"]))

        def message_sent(data):
            client.heard.put(("sent", data["content"]))

        def messege_read(data):
            client.heard.put(("read", data["message_id"]))

        def chat_read(data):
            client.heard.put(("chat", data["reader_id"]))

        client.handlers.clear()
        for listener in (receive_message, message_sent, messege_read, chat_read):
            client.event(listener)
        client.connect(server.url, auth=auth_b, transports=self.transports, wait_timeout=DEADLINE)
        a = self.connect(server.url, auth_a)
        self.send(a, bob, "to bob")
        mine = self.send(client, ada, "to ada")
        a.call("mark_chat_as_read", {"user_id": bob}, timeout=DEADLINE)
        for expected in (("received", "to bob"), ("sent", "to ada"), ("chat", ada), ("read", mine)):
            heard = client.heard.get(timeout=DEADLINE)
            self.assertEqual(heard, expected)

    def test_hears_of_a_burst_to_its_end(self):
        """With more than 16 packets in the answer to one poll the client gave up, and none of them was heard."""
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = self.connect(server.url, auth_a), self.connect(server.url, auth_b)
        sent = [self.send(b, ada, f"{number}") for number in range(20)]
        answer = a.call("mark_chat_as_read", {"user_id": bob}, timeout=DEADLINE)
        self.assertEqual(answer["data"]["count"], len(sent))
        read = [self.next(b, "messege_read")[0]["message_id"] for _ in sent]
        self.assertEqual(sorted(read), sent)

    def test_is_refused_with_a_bad_token_and_told_why(self):
        server = Chatd(self)
        for auth, code in (({"token": "nonsense"}, "invalid_token"), ({}, "missing_token"), (None, "missing_token")):
            client = self.client()
            with self.assertRaises(socketio.exceptions.ConnectionError):
                client.connect(server.url, auth=auth, transports=self.transports, wait_timeout=DEADLINE)
            error = self.next(client, "connect_error")[0]
            self.assertEqual((error["message"], error["data"]["code"]), (code.replace("_", " "), code))
            self.assertFalse(client.connected)

    def test_reconnects_by_itself_when_the_server_is_killed_and_started_again(self):
        server = Chatd(self)
        (ada, auth_a), (bob, auth_b) = server.user("ada"), server.user("bob")
        a, b = self.connect(server.url, auth_a), self.connect(server.url, auth_b)
        before = self.send(a, bob, "before")
        self.next(b, "receive_message")
        server.kill()
        for client in (a, b):
            self.next(client, "disconnect")
        server.start()
        for client in (a, b):
            self.next(client, "connect")
        after = self.send(a, bob, "after")
        self.assertGreater(after, before)
        self.assertEqual(self.next(b, "receive_message")[0]["id"], after)

    def test_gets_text_and_binary_back_as_they_were(self):
        client = self.connect(Harness(self, "protocol").url)
        for sent in (
            ("text", 1, -0.5, True, None, "“ünï”\u2028😀", {"deep": [{"er": []}]}),
            (b"\x00\x01\xff", "between", {"nested": [b"", b"\x07"]}),
        ):
            client.emit("message", sent)
            self.assertEqual(self.next(client, "message-back"), sent)
            self.assertEqual(client.call("message-with-ack", sent, timeout=DEADLINE), sent)
        self.assertEqual(client.call("message-with-ack", b"alone", timeout=DEADLINE), b"alone")

    def test_answers_an_event_that_asks_for_an_ack(self):
        client = self.connect(Harness(self, "socket-client").url)
        client.on("ack", lambda: (5, {"test": True}))
        client.emit("ack")
        self.next(client, "got it")
        self.assertEqual(client.call("echo", {"data": [b"\x01"]}, timeout=DEADLINE), {"data": [b"\x01"]})

    def test_hears_its_auth_in_both_namespaces_of_one_connection(self):
        server = Harness(self, "protocol")
        client = self.client()
        client.on("auth", lambda auth: client.heard.put(("custom", (auth,))), namespace="/custom")
        namespaces = ["/", "/custom"]
        options = {"transports": self.transports, "namespaces": namespaces, "wait_timeout": DEADLINE}
        client.connect(server.url, auth={"token": "word"}, **options)
        self.assertEqual(set(client.namespaces), set(namespaces))
        self.assertNotEqual(client.get_sid("/"), client.get_sid("/custom"))
        greetings = [client.heard.get(timeout=DEADLINE) for _ in range(3)]
        for name in ("auth", "custom"):
            self.assertIn((name, ({"token": "word"},)), greetings)

    def test_is_refused_a_namespace(self):
        server = Harness(self, "socket-client")
        for namespace, message in (("/no", "Auth failed (custom namespace)"), ("/random", "Invalid namespace")):
            client = self.client()
            client.on("connect_error", lambda error: client.heard.put(("refused", (error,))), namespace=namespace)
            options = {"transports": self.transports, "namespaces": [namespace], "wait_timeout": DEADLINE}
            with self.assertRaises(socketio.exceptions.ConnectionError):
                client.connect(server.url, **options)
            error = self.next(client, "refused")[0]
            self.assertEqual(error["message"] if isinstance(error, dict) else error, message)
