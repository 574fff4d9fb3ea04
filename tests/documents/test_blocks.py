"""What the documents show is what happens: every block is run, every shown answer compared, on a suite of processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.suite import Suite
from tests.documents.reader import ROOT, Reader


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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", ["README.md", "docs/integrating.md"])
def test_every_block_does_what_the_document_says(reader: Reader, document: str) -> None:
    """Whoever works through the document on a new suite sees in each block what stands there."""
    reader.read((ROOT / document).read_text(encoding="utf-8"))
