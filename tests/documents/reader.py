"""A reader who works through a document: each block as it stands there, in one shell and one Python session."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block without a kind is a picture or a command line that the reader only looks at.
RUN = ("bash", "python")
KINDS = (*RUN, "json", "")
# What a line prints stands behind it.
PRINTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
ANSWERED = re.compile(r"^HTTP ([0-9]{3})$", re.MULTILINE)
# Each curl tells the code of its answer, without a word of that in the document.
CURLRC = 'write-out = "%{stderr}HTTP %{http_code}\\n"\n'
REFUSED = 400
LEFT_OUT = "…"


class UntrueError(Exception):
    """The document does not tell what happens; the text says where, and what does."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its kind, its text, and the line of the document that it starts on."""

    kind: str
    text: str
    line: int


NOTHING = Block("", "", 0)


def blocks(page: str) -> list[Block]:
    """Take a document's blocks in their order."""
    found = [Block(one[1], one[2], page.count("\n", 0, one.start()) + 2) for one in FENCE.finditer(page)]
    for before, block in pairwise([NOTHING, *found]):
        if block.kind not in KINDS:
            raise UntrueError(f"line {block.line}: a block of kind {block.kind}, which nobody runs")
        if block.kind == "json" and before.kind != "bash":
            raise UntrueError(f"line {block.line}: an answer to nothing")
    return found


def differences(shown: Any, came: Any, where: str = "") -> Iterator[str]:
    """Say what of the shown JSON came otherwise; "…" stands for anything, at the end of a list for the rest."""
    if isinstance(shown, dict) and isinstance(came, dict):
        for key, value in shown.items():
            if key not in came:
                yield f"{where}.{key} is not there"
            else:
                yield from differences(value, came[key], f"{where}.{key}")
    elif isinstance(shown, list) and isinstance(came, list):
        rest = shown[-1:] == [LEFT_OUT]
        told = shown[:-1] if rest else shown
        if len(came) < len(told) or (len(came) > len(told) and not rest):
            yield f"{where} has {len(came)} elements"
        for place, (one, other) in enumerate(zip(told, came, strict=False)):
            yield from differences(one, other, f"{where}[{place}]")
    elif isinstance(shown, str) and isinstance(came, str):
        if not like(shown, came):
            yield f"{where} is {came!r}"
    elif shown != came or type(shown) is not type(came):
        yield f"{where} is {came!r}"


def like(shown: str, came: str) -> bool:
    """Tell whether a text is the shown one, in which "…" stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split(LEFT_OUT))), came, re.DOTALL) is not None


def last_answer(printed: str) -> Any:
    """Read the last of the JSON texts that were printed one after the other."""
    decoder, place, answer = json.JSONDecoder(), 0, None
    while place < len(printed.rstrip()):
        answer, place = decoder.raw_decode(printed, place)
        place += len(printed[place:]) - len(printed[place:].lstrip())
    return answer


class Reader:
    """Runs documents in the repository's root; `places` says what stands where the document names the usual place."""

    def __init__(self, folder: Path, places: Mapping[str, str], setenv: Callable[[str, str], None]) -> None:
        (folder / ".curlrc").write_text(CURLRC)
        (folder / "env").touch()
        self.folder = folder
        self.places = places
        self.setenv = setenv
        self.python: dict[str, Any] = {"__name__": "__main__"}
        self.shell = subprocess.Popen(
            ["bash", "-euo", "pipefail"],  # noqa: S607 (the reader's own)
            cwd=ROOT,
            env={**os.environ, "CURL_HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def close(self) -> None:
        """End the shell."""
        self.shell.communicate()

    def read(self, page: str) -> None:
        """Run every block; raise `UntrueError` at the first that does not what is said."""
        found = blocks(page)
        if not any(block.kind in RUN for block in found):
            raise UntrueError("there is nothing to run")
        for block, following in pairwise([*found, NOTHING]):
            shown = json.loads(following.text) if following.kind == "json" else {}
            try:
                if block.kind == "bash":
                    self._bash(self._placed(block.text), shown)
                elif block.kind == "python":
                    self._python(self._placed(block.text))
            except UntrueError as untrue:
                raise UntrueError(f"line {block.line}: {untrue}") from None

    def _placed(self, text: str) -> str:
        for usual, here in self.places.items():
            text = text.replace(usual, here)
        return text

    def _bash(self, text: str, shown: Any) -> None:
        """Run a block in the shell; hold its answers to what is shown of the last one."""
        script, printed, said = (self.folder / name for name in ("block", "printed", "said"))
        script.write_text(text, encoding="utf-8")
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(f". '{script}' >'{printed}' 2>'{said}' </dev/null; env -0 >'{self.folder}/env'; echo\n")
        self.shell.stdin.flush()
        done = self.shell.stdout.readline()
        answers, words = printed.read_text(encoding="utf-8"), said.read_text(encoding="utf-8")
        if not done:
            raise UntrueError(f"a command failed: {answers[-2000:]}{words[-2000:]}")
        refused = [int(code) for code in ANSWERED.findall(words) if int(code) >= REFUSED]
        announced = [shown["error"]["code"]] if "error" in shown else []
        if refused != announced:
            raise UntrueError(f"refused with {refused}, announced {announced}: {answers[-2000:]}")
        if shown and (found := list(differences(shown, last_answer(answers)))):
            raise UntrueError("; ".join(found))

    def _python(self, text: str) -> None:
        """Run a block in the session, which has what the shell exports; hold what it prints to what stands there."""
        for pair in (self.folder / "env").read_text(encoding="utf-8").split("\0"):
            name, _, value = pair.partition("=")
            if name and os.environ.get(name) != value:
                self.setenv(name, value)
        printed = StringIO()
        try:
            with redirect_stdout(printed):
                exec(compile(text, "document", "exec"), self.python)  # noqa: S102 (our own documents)
        except Exception as error:
            raise UntrueError(f"{type(error).__name__}: {error}") from error
        shown, came = PRINTED.findall(text), printed.getvalue().splitlines()
        if len(shown) != len(came) or not all(map(like, shown, came)):
            raise UntrueError(f"it prints {came}")
