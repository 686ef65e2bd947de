"""The example of a whole client in Python, and the README's shorter one, as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import socketio

from support import DEADLINE, PASSWORD, Chatd, TestCase

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "tests" / "clients" / "examples" / "chat.py"


class Examples(TestCase):
    def setUp(self):
        self.server = Chatd(self)
        (self.ada, _), (self.bob, auth) = self.server.user("ada"), self.server.user("bob")
        self.client = socketio.Client()
        self.client.connect(self.server.url, auth=auth, wait_timeout=DEADLINE)
        self.addCleanup(self.client.disconnect)

    def run_example(self, words, cursor=""):
        """Runs the example for ada; bob says "bye" once he has heard her. Gives the lines that it prints."""

        def answer(message):
            if message["content"] == words:
                self.client.emit("send_message", {"receiver_id": self.ada, "content": "bye"})

        self.client.on("receive_message", answer)
        account = {"CHATD_URL": self.server.url, "CHATD_USER": "ada", "CHATD_PASSWORD": PASSWORD, "CHATD_CURSOR": cursor}
        done = subprocess.run(
            [sys.executable, str(EXAMPLE), "bob", words],
            env={**os.environ, **account},
            stdout=subprocess.PIPE,
            timeout=DEADLINE,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    def test_the_example_sends_hears_the_answer_and_later_says_what_it_missed(self):
        first = self.run_example("Halo!")
        self.assertEqual(first[:-1], ["you Halo!", "bob bye"])
        cursor = re.fullmatch(r"cursor (\S+)", first[-1])[1]
        missed = {"receiver_id": self.ada, "content": "Are you there?"}
        self.assertTrue(self.client.call("send_message", missed, timeout=DEADLINE)["success"])
        second = self.run_example("Halo again!", cursor)
        past = ["you Halo!", "bob bye", "bob Are you there?"]
        expected = ["missed receive_message Are you there?", *past, "you Halo again!", "bob bye"]
        self.assertEqual(second[:-1], expected)

    def test_the_program_of_the_readme_sends(self):
        source = re.search(r"```python\n(# chat\.py.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
        for given, here in [
            ("http://127.0.0.1:8080", self.server.url),
            ("correct horse", PASSWORD),
            ('"receiver_id": 2', f'"receiver_id": {self.bob}'),
        ]:
            self.assertIn(given, source)
            source = source.replace(given, here)
        done = subprocess.run(
            [sys.executable, "-c", source], stdout=subprocess.PIPE, timeout=DEADLINE, text=True, check=True
        )
        self.assertRegex(done.stdout, r"'success': True.*'content': 'Halo!'")
