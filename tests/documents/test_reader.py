"""The reader of documents finds what is not true in them."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.documents.reader import Reader, UntrueError


class Refusing(BaseHTTPRequestHandler):
    """Refuses every call."""

    def do_GET(self) -> None:
        """Answer as the gateway answers who has no key."""
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b'{"error": {"code": 401, "status": "UNAUTHENTICATED"}}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Sit a reader before somebody who refuses."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        reader = Reader(tmp_path, {"127.0.0.1:8080": f"127.0.0.1:{server.server_port}"}, monkeypatch.setenv)
        try:
            yield reader
        finally:
            reader.close()
            server.shutdown()


ASK = "```bash\ncurl -s http://127.0.0.1:8080/v1/labels\n```\n"
UNTRUE = [
    # what a document holds, and what must be said about it
    ("```bash\nfalse\ntrue\n```", "line 2: a command failed"),
    ("```bash\nfalse | true\n```", "line 2: a command failed"),
    ("```bash\ncurl -s http://127.0.0.1:1/\n```", "line 2: a command failed"),
    (ASK, "refused with [401], announced []"),
    (ASK + '```json\n{"error": {"code": 403}}\n```', "refused with [401], announced [403]"),
    (ASK + '```json\n{"error": {"code": 401, "status": "FORBIDDEN"}}\n```', ".error.status is 'UNAUTHENTICATED'"),
    ("```bash\necho '{}'\n```\n" + '```json\n{"error": {"code": 401}}\n```', "refused with [], announced [401]"),
    ("```bash\necho '{}{\"a\": [1]}'\n```\n" + '```json\n{"a": [1, 2], "b": 3}\n```', ".a has 1 elements; .b is not"),
    ("```bash\necho '{\"a\": [1, 2]}'\n```\n" + '```json\n{"a": [1]}\n```', ".a has 2 elements"),
    ("```bash\necho '{\"a\": true}'\n```\n" + '```json\n{"a": 1}\n```', ".a is True"),
    ('```bash\necho \'{"a": "it/1"}\'\n```\n' + '```json\n{"a": "is/…"}\n```', ".a is 'it/1'"),
    ("```python\nraise ValueError('no')\n```", "ValueError: no"),
    ("```python\nprint(2)  # 3\n```", "it prints ['2']"),
    ("```python\nprint(2)\n```", "it prints ['2']"),
    ("```sh\ntrue\n```", "a block of kind sh"),
    ("```\ntrue\n```", "nothing to run"),
    ("```python\nA = 1\n```\n```json\n{}\n```", "line 5: an answer to nothing"),
    ("```json\n{}\n```", "line 2: an answer to nothing"),
]


@pytest.mark.parametrize(("page", "said"), UNTRUE)
def test_what_is_not_true_is_found(reader: Reader, page: str, said: str) -> None:
    """A block that fails, is refused unannounced, or answers or prints otherwise than shown, stops the reader."""
    with pytest.raises(UntrueError) as untrue:
        reader.read(page)
    assert said in str(untrue.value)


def test_what_is_true_passes(reader: Reader) -> None:
    """Sessions last from block to block, Python sees what the shell exports, and … stands for anything."""
    reader.read(
        "```\nnot for running\n```\n"
        "```bash\nexport A=1\nB=2\n```\n"
        '```bash\necho "{}" {\\"a\\": [\\"$A-$B\\", 3, 4], \\"c\\": 5}\n```\n'
        '```json\n{"a": ["1-…", "…"]}\n```\n'
        '```python\nimport os\n\nC = os.environ["A"]\n```\n'
        "```python\nprint(C + C)  # 1…\n```\n" + ASK + '```json\n{"error": {"code": 401}}\n```\n'
    )
