"""The rows of an old sales file, gathered into receipts.

A file may be larger than memory. It is read twice: first through, to find receipts whose rows stand apart before
anything is sent, then receipt by receipt. What has to be remembered of the first reading stands in a database that the
system keeps on disk and removes when it is closed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import lzma
import sqlite3
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from cli.purchases_mapping import CellError, ImportMapping

OPENERS: dict[str, Callable[..., IO[str]]] = {".gz": gzip.open, ".xz": lzma.open}
# What makes a receipt one, as the file writes it.
KEY = ("receipt.store", "receipt.terminal", "receipt.business_date", "receipt.receipt_no")
# How many rows go into the database at a time, which is also how often progress is told.
CHUNK = 1000
# A byte that no cell of a text file holds.
BETWEEN = "\x1f"
ROW_NUMBERS_SHOWN = 20
PREPARE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE receipts (key TEXT PRIMARY KEY, first INTEGER NOT NULL, rows TEXT) WITHOUT ROWID;
CREATE TABLE rows (first INTEGER NOT NULL, number INTEGER NOT NULL, cells TEXT NOT NULL);
"""
# A receipt that comes back is marked by a negative first row, and gets further row numbers, as many as anyone reads.
FIND = """
INSERT INTO receipts VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET first = -abs(receipts.first),
    rows = receipts.rows || CASE WHEN length(receipts.rows) < 200 THEN ', ' || excluded.rows ELSE '' END
"""

T = TypeVar("T")
Progress = Callable[[int], None]


class FileError(Exception):
    """The file cannot be read; the text says where."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number, counted as a spreadsheet does, and its cells."""

    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one receipt; `apart` where they do not stand together, in which case they are not all here."""

    rows: Sequence[Row]
    where: str
    apart: bool = False


class SalesFile:
    """A sales file that was read through once: how many receipts it has, and each of them in the order of the file."""

    def __init__(self, path: Path, mapping: ImportMapping, progress: Progress = lambda _number: None) -> None:
        self.path = path
        self.form = mapping.file
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        with closing(self._lines()) as lines:
            header = next(lines, Row(0, ())).cells
        # A file without a single row has no columns either.
        self.readers = mapping.readers(header)
        self.width = len(header)
        self._key = [self.readers[name] for name in KEY if name in self.readers]
        self._found = sqlite3.connect("")
        self._found.executescript(PREPARE)
        self._scan(progress)
        [(self.receipts, self._apart)] = self._found.execute("SELECT count(*), sum(first < 0) FROM receipts")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._found.close()

    def __iter__(self) -> Iterator[Rows]:
        """Read each receipt once, by its first row."""
        return self._sorted() if self.form.sort else self._together()

    def _scan(self, progress: Progress) -> None:
        if self.form.sort:
            for chunk in _chunks(self._rows()):
                keys = [(self._key_of(row), row.number) for row in chunk]
                self._found.executemany("INSERT INTO receipts VALUES (?, ?, NULL) ON CONFLICT DO NOTHING", keys)
                self._found.executemany(
                    "INSERT INTO rows SELECT first, ?, ? FROM receipts WHERE key = ?",
                    [(row.number, json.dumps(row.cells), key) for row, (key, _) in zip(chunk, keys, strict=True)],
                )
                progress(len(chunk))
        else:
            for runs in _chunks(self._runs()):
                self._found.executemany(FIND, [(key, rows[0].number, _where(rows)) for key, rows in runs])
                progress(sum(len(rows) for _, rows in runs))

    def _together(self) -> Iterator[Rows]:
        for key, rows in self._runs():
            if not self._apart:
                yield Rows(rows, _where(rows))
                continue
            [(first, where)] = self._found.execute("SELECT first, rows FROM receipts WHERE key = ?", (key,))
            if abs(first) == rows[0].number:
                yield Rows(rows, where, apart=first < 0)

    def _sorted(self) -> Iterator[Rows]:
        ordered = self._found.execute("SELECT first, number, cells FROM rows ORDER BY first, number")
        for _, group in groupby(ordered, key=lambda found: found[0]):
            rows = [Row(number, json.loads(cells)) for _, number, cells in group]
            yield Rows(rows, _where(rows))

    def _runs(self) -> Iterator[tuple[str, list[Row]]]:
        """Gather rows of one receipt that stand together."""
        for key, rows in groupby(self._rows(), key=self._key_of):
            yield key, list(rows)

    def _key_of(self, row: Row) -> str:
        """Tell receipts apart; a row that cannot be read is a receipt of its own."""
        try:
            return BETWEEN.join([read(row.cells) for read in self._key])
        except (CellError, IndexError):
            return f"{BETWEEN}{row.number}"

    def _rows(self) -> Iterator[Row]:
        """Read the rows below the headings; empty ones say nothing."""
        for row in self._lines():
            if row.cells and row.number > (0 if self.form.columns else 1):
                yield row

    def _lines(self) -> Generator[Row]:
        """Read every row, the names of the columns before all others."""
        opener = OPENERS.get(self.path.suffix, open)
        encoding = "utf-8-sig" if self.form.encoding == "utf-8" else self.form.encoding
        number = 0
        if self.form.columns:
            yield Row(number, self.form.columns)
        try:
            with opener(self.path, "rt", encoding=encoding, newline="") as text:
                for number, cells in enumerate(csv.reader(text, delimiter=self.form.delimiter), 1):
                    yield Row(number, cells)
        except (csv.Error, UnicodeDecodeError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise FileError(f"{self.path.name}: after row {number}: {error}") from error


def _chunks(items: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def _where(rows: Sequence[Row]) -> str:
    """Write row numbers in short, such as `5-9, 12`."""
    numbers = [row.number for row in rows]
    runs = [list(run) for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0])]
    told = [f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs]
    return ", ".join(told[:ROW_NUMBERS_SHOWN] + (["..."] if len(told) > ROW_NUMBERS_SHOWN else []))
