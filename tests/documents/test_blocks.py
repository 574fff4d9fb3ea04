"""What the documents show is what happens: every block is run, every shown answer compared, on a suite of processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.suite import Suite
from tests.documents.reader import ROOT, Reader, UntrueError


@pytest.fixture
def reader(live_suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Sit a reader before the suite."""
    places = {
        "127.0.0.1:8080": live_suite.url.removeprefix("http://"),
        "127.0.0.1:9090": live_suite.addresses["gateway"],
        ".shuke/": f"{live_suite.home}/",
    }
    reader = Reader(tmp_path, places, monkeypatch.setenv)
    try:
        yield reader
    finally:
        reader.close()


@pytest.mark.parametrize("document", ["README.md"])
def test_every_block_does_what_the_document_says(reader: Reader, document: str) -> None:
    """Whoever works through the document on a new suite sees in each block what stands there."""
    reader.read((ROOT / document).read_text(encoding="utf-8"))


ASK = "```bash\ncurl -s http://127.0.0.1:8080/v1/labels\n```\n"
UNTRUE = [
    # what a document holds, and what must be said about it
    ("```bash\nfalse\ntrue\n```", "line 2: a command failed"),
    ("```bash\ncurl -s http://127.0.0.1:1/\n```", "line 2: a command failed"),
    (ASK, "refused with [401], announced []"),
    (ASK + '```json\n{"error": {"code": 403}}\n```', "refused with [401], announced [403]"),
    (ASK + '```json\n{"error": {"code": 401, "status": "FORBIDDEN"}}\n```', ".error.status is 'UNAUTHENTICATED'"),
    ("```bash\necho '{}'\n```\n" + '```json\n{"error": {"code": 401}}\n```', "refused with [], announced [401]"),
    ("```bash\necho '{}{\"a\": [1]}'\n```\n" + '```json\n{"a": [1, 2], "b": 3}\n```', ".a has 1 elements; .b is not"),
    ("```bash\necho '{\"a\": [1, 2]}'\n```\n" + '```json\n{"a": [1]}\n```', ".a has 2 elements"),
    ("```bash\necho '{\"a\": true}'\n```\n" + '```json\n{"a": 1}\n```', ".a is True"),
    ('```bash\necho \'{"a": "it/1"}\'\n```\n' + '```json\n{"a": "is/…"}\n```', ".a is 'it/1'"),
    ("```bash\nA=1\n```\n```python\nraise ValueError('no')\n```", "ValueError: no"),
    ("```bash\nA=1\n```\n```python\nprint(2)  # 3\n```", "it prints ['2']"),
    ("```bash\nA=1\n```\n```python\nprint(2)\n```", "it prints ['2']"),
    ("```sh\ntrue\n```", "a block of kind sh"),
    ("```\ntrue\n```", "nothing to run"),
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
