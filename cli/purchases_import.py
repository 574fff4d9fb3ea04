"""`shuke import purchases`: a chain's old sales file into a running suite, or through a dry run.

How far an import has come stands in a file beside the sales file, written after each batch. An import that goes on
reads the file anew, which is quick, and sends what comes after that.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from cli.progress import Bar
from cli.purchases_cells import Problem
from cli.purchases_file import SalesFile
from cli.purchases_mapping import read_mapping
from cli.purchases_rows import Reader
from cli.purchases_sending import Answer, Outcome, Sender, dry

SHOWN = 10
REJECTS_HEADER = ("rows", "record", "receipt_no", "field", "reason", "text")


class ResumeError(Exception):
    """The import cannot go on from where it stopped; the text says why."""


class Checkpoint(BaseModel):
    """How far an import has come, and of what."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    file: str
    mapping: str
    url: str
    outcome: Outcome
    # How long the file of the refused was; 0 where there was none.
    rejects: int = 0

    def is_of(self, other: Checkpoint) -> bool:
        """Tell whether both speak of the same file, mapping and suite."""
        return (self.file, self.mapping, self.url) == (other.file, other.mapping, other.url)


@dataclass(slots=True)
class Refused:
    """Where refused receipts are told: the first few on the screen, all in a file where one was named."""

    file: IO[str] | None
    first: list[tuple[str, Problem]] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        """Tell what was refused of a receipt, if anything."""
        reading = answer.reading
        told = [("", "", problem) for problem in reading.problems]
        told += [(fate.kind, fate.receipt_no, problem) for fate in answer.fates for problem in fate.problems]
        self.first += [(reading.where, problem) for _, _, problem in told][: SHOWN - len(self.first)]
        if self.file is not None:
            rows = ((reading.where, kind, number, each.field, each.reason, each.text) for kind, number, each in told)
            csv.writer(self.file).writerows(rows)

    def length(self) -> int:
        """Put everything on the disk; answer how much that is."""
        if self.file is None:
            return 0
        self.file.flush()
        return os.fstat(self.file.fileno()).st_size


@dataclass(frozen=True, slots=True)
class Done:
    """How an import ended: whether it came to the end of the file, and the first problems with their rows."""

    outcome: Outcome
    finished: bool
    problems: Sequence[tuple[str, Problem]]


@dataclass(frozen=True, slots=True)
class Import:
    """An import: what of, by which mapping, into which suite, and where refused receipts are told."""

    file: Path
    mapping: Path
    url: str
    rejects: Path | None
    console: Console

    @property
    def progress_file(self) -> Path:
        """Where it stands how far the import has come."""
        return self.file.with_name(f"{self.file.name}.shuke-progress")

    def run(self, sender: Sender | None, stopped: Callable[[], bool], *, resume: bool = False) -> Done:
        """Send the receipts of the file until it ends or somebody stops it; without a sender only read them."""
        mapping = read_mapping(self.mapping)
        with Bar(self.console, "rows read", None) as bar:
            sales = SalesFile(self.file, mapping, bar.advance)
        start = Checkpoint(
            file=sales.digest,
            mapping=hashlib.sha256(self.mapping.read_bytes()).hexdigest(),
            url=self.url,
            outcome=Outcome(),
        )
        if resume:
            start = self._left_by(start)
        elif sender:
            self.progress_file.unlink(missing_ok=True)
        outcome = start.outcome
        reader = Reader(mapping, sales.readers, sales.width)
        with sales, self._rejects(start) as file, Bar(self.console, "receipts", sales.receipts) as bar:
            refused = Refused(file)
            bar.advance(outcome.receipts)
            receipts = takewhile(lambda _: not stopped(), islice(sales, outcome.receipts, None))
            readings = (reader.read(rows) for rows in receipts)
            for answers in sender.send(readings) if sender else dry(readings):
                for answer in answers:
                    outcome.add(answer)
                    refused.add(answer)
                if sender:
                    self._save(start.model_copy(update={"rejects": refused.length()}))
                bar.advance(len(answers))
            finished = outcome.receipts == sales.receipts
        if sender and finished:
            self.progress_file.unlink(missing_ok=True)
        return Done(outcome, finished, refused.first)

    def _left_by(self, start: Checkpoint) -> Checkpoint:
        """Read how far the import has come."""
        try:
            left = Checkpoint.model_validate_json(self.progress_file.read_bytes())
        except FileNotFoundError:
            raise ResumeError(f"nothing to go on with: there is no {self.progress_file}") from None
        except ValidationError as error:
            raise ResumeError(f"{self.progress_file} is damaged; import without --resume") from error
        if not left.is_of(start):
            raise ResumeError("the file, the mapping or the suite is another than before; import without --resume")
        return left

    def _save(self, checkpoint: Checkpoint) -> None:
        """Write how far the import has come, all of it or nothing."""
        new = self.progress_file.with_name(f"{self.progress_file.name}.new")
        new.write_text(checkpoint.model_dump_json(), encoding="utf-8")
        new.replace(self.progress_file)

    @contextmanager
    def _rejects(self, start: Checkpoint) -> Iterator[IO[str] | None]:
        """Open the file for the refused; what was written after the last checkpoint is going to be told again."""
        if self.rejects is None:
            yield None
        elif start.rejects:
            if not self.rejects.exists() or self.rejects.stat().st_size < start.rejects:
                raise ResumeError(f"{self.rejects} is not the file that the import wrote")
            os.truncate(self.rejects, start.rejects)
            with self.rejects.open("a", encoding="utf-8", newline="") as file:
                yield file
        else:
            with self.rejects.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerow(REJECTS_HEADER)
                yield file
