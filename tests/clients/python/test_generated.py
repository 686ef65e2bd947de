"""A client in Python that a stock generator makes of the document of the routes."""

import importlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import openapi_spec_validator
import socketio
from support import DEADLINE, PASSWORD, Chatd, TestCase

PROGRAM = """
from made import AuthenticatedClient, Client
from made.api.auth import post_login
from made.api.chats import get_history
from made.models import Code, Credentials, Failure, GetHistoryDone, HistoryMessage, PostLoginDone


def log_in(url: str, username: str, password: str) -> PostLoginDone | Code:
    body = Credentials(username=username, password=password)
    answer = post_login.sync(client=Client(base_url=url), body=body)
    if isinstance(answer, Failure):
        return answer.error.code
    assert answer is not None
    return answer


def history(url: str, token: str, peer: int) -> list[HistoryMessage]:
    client = AuthenticatedClient(base_url=url, token=token)
    answer = get_history.sync(peer, client=client, limit=5)
    assert isinstance(answer, GetHistoryDone), answer
    assert answer.meta.has_more is False
    return answer.data
"""


class Generated(TestCase):
    def run_tool(self, *command):
        ended = subprocess.run(
            [sys.executable, "-m", *map(str, command)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(ended.returncode, 0, ended.stdout)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="chatd-generated-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = Chatd(self)
        with urllib.request.urlopen(f"{self.server.url}/api/openapi.json", timeout=DEADLINE) as response:
            self.document = json.load(response)

    def test_a_client_that_is_generated_from_the_document_tells_refusals_and_reads_history(self):
        openapi_spec_validator.validate(self.document)
        (self.folder / "openapi.json").write_text(json.dumps(self.document))
        # No formatting; it asks for one more program. Of lines and of files it is told that they are bytes.
        as_bytes = dict.fromkeys(["application/x-ndjson", "*/*"], "application/octet-stream")
        config = {"post_hooks": [], "content_type_overrides": as_bytes}
        (self.folder / "config.json").write_text(json.dumps(config))
        made = ["--path", "openapi.json", "--config", "config.json", "--meta", "none", "--output-path", "made"]
        # What it cannot make sense of it leaves out with a warning.
        self.run_tool("openapi_python_client", "generate", *made, "--fail-on-warning")
        (self.folder / "program.py").write_text(PROGRAM)
        self.run_tool("mypy", "--strict", "program.py")

        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        program = importlib.import_module("program")
        url = self.server.url
        ada, _ = self.server.user("ada")
        bob, _ = self.server.user("bob")
        self.assertIs(program.log_in(url, "ada", "wrong horse"), program.Code.INVALID_CREDENTIALS)
        token = program.log_in(url, "ada", PASSWORD).data.token
        with socketio.SimpleClient() as client:
            client.connect(url, auth={"token": token})
            ack = client.call("send_message", {"receiver_id": bob, "content": "Halo!"}, timeout=DEADLINE)
        rows = program.history(url, token, bob)
        self.assertEqual([(row.id, row.sender_id, row.content) for row in rows], [(ack["data"]["id"], ada, "Halo!")])
