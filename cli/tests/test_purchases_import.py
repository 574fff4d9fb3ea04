"""Old sales go into a real suite: each once, whoever stops the import and however often it is sent."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cli.api import Api
from cli.commands import shuke
from cli.purchases_import import Done, Import
from cli.purchases_rows import Reading
from cli.purchases_sending import BATCH, Sender, batches
from cli.suite import ROOT, free_port
from cli.tests.purchases import LINES_MAPPING, Item, Slip, write_slips
from gateway.tests.door import ADMIN, Door, bearer, opened
from services.customer.server import PROGRAM as CUSTOMER
from tests.running import Clock, StartService

QUIET = Console(quiet=True)
# Enough batches for an import to be stopped between them.
MANY = [Slip(str(number), [Item("TEA", "", 1000, number)]) for number in range(1, 12 * BATCH + 10)]
SUM = sum(slip.total for slip in MANY)


@pytest.fixture
def door(start_service: StartService) -> Iterator[Door]:
    """Open the front door before a real customer service, on each engine in turn."""
    clock = Clock()
    with opened(start_service, clock, start_service(CUSTOMER, clock).address) as made:
        yield made


@dataclass(frozen=True)
class Old:
    """A file of old sales, and an import of it into a suite."""

    given: Import

    def run(self, stop_after: int | None = None, *, resume: bool = False) -> Done:
        """Import in this process, and stop once so many receipts were read."""
        read = 0

        def stopped() -> bool:
            nonlocal read
            read += 1
            return stop_after is not None and read > stop_after

        with closing(Api(self.given.url)) as api:
            return self.given.run(Sender(api, ADMIN), stopped, resume=resume)

    def command(self, *more: str, url: str = "") -> list[str]:
        """Write the command that imports it."""
        given = ["import", "purchases", str(self.given.file), "--mapping", str(self.given.mapping)]
        return [*given, "--url", url or self.given.url, "--token", ADMIN, *more]


def old(door: Door, folder: Path, slips: list[Slip]) -> Old:
    """Write a file and say where it is to go."""
    path = write_slips(folder / "sales.csv", slips)
    return Old(Import(path, LINES_MAPPING, str(door.http.base_url), folder / "rejects.csv", QUIET))


def invoke(arguments: list[str]) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(shuke, arguments, catch_exceptions=False)


def as_json(arguments: list[str]) -> tuple[int, dict[str, Any]]:
    """Run a command in a process of its own, for the services of a test write to the output of this one."""
    command = [sys.executable, "-m", "cli", *arguments, "--json"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.returncode, json.loads(ended.stdout)


def open_file(door: Door, member_code: str) -> str:
    """Open a customer's file; answer its name."""
    points = [{"kind": "EMAIL", "value": "corwen@example.com"}]
    told = {"displayName": "Corwen", "homeStore": "LEEDS", "memberCode": member_code, "contactPoints": points}
    answer = door.http.post("/v1/customers", json={"customer": told}, headers=bearer(ADMIN))
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["name"]
    return name


def held(door: Door) -> tuple[int, str, int, str]:
    """Ask the ledger for the one day of these tests: number and sum of sales and of refunds."""
    query: dict[str, str | int] = {"store": "LEEDS", "firstDate.year": 2026, "firstDate.month": 2, "firstDate.day": 27}
    answer = door.http.get("/v1/storeDays", params=query, headers=bearer(ADMIN)).json()
    sums = answer["storeDays"][-1]["held"]
    return sums["saleCount"], amount(sums["saleTotal"]), sums["refundCount"], amount(sums["refundTotal"])


def amount(money: dict[str, Any]) -> str:
    """Write an amount shortly."""
    return f"{money['units']}.{money['nanos'] // 10_000_000:02}"


def pounds(pence: int) -> str:
    """Write pence as pounds."""
    return f"{pence // 100}.{pence % 100:02}"


def rejects(one: Old) -> list[dict[str, str]]:
    """Read what was refused."""
    assert one.given.rejects is not None
    with one.given.rejects.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_old_sales_are_recorded_once_and_their_sums_are_told(door: Door, tmp_path: Path) -> None:
    """Customers are found by their cards, refunds by their sales; a second import finds everything there."""
    customer = open_file(door, "M-1")
    slips = [
        Slip("1", [Item("TEA", "Tea", 2500, 12_34, -5), Item("CUP", "", 1000, 1)], card="M-1", paid="2", rounding=5),
        Slip("2", card="M-9"),
        Slip("3"),
        Slip("4", [Item("TEA", "Tea", 1000, 5_00)], refund=True, original="1"),
        Slip("5", [Item("TEA", "Tea", 1000, 1_00)], refund=True, card="M-1"),
        Slip("6", refund=True, card="M-9"),
    ]
    one = old(door, tmp_path, slips)
    code, told = as_json(one.command("--rejects", str(one.given.rejects)))
    assert code == 4
    assert told | {"first_problems": []} == {
        "dry_run": False,
        "finished": True,
        "receipts": 6,
        "unreadable": 0,
        "left_out": 0,
        "purchases_recorded": 3,
        "refunds_recorded": 2,
        "refunds_refused": 1,
        "anomalies": {"CUSTOMER_UNKNOWN": 1},
        "totals": {"GBP": {"purchases": "32.4", "refunds": "6", "net": "26.4"}},
        "first_problems": [],
    }
    assert rejects(one) == [
        {
            "rows": "8",
            "record": "refund",
            "receipt_no": "6",
            "field": "refund.customer",
            "reason": "CUSTOMER_UNKNOWN",
            "text": "the key of the refund's customer leads to 0 files",
        }
    ]
    _, again = as_json(one.command())
    assert (again["purchases_replayed"], again["refunds_replayed"], again["refunds_refused"]) == (3, 2, 1)
    assert again["totals"] == told["totals"]
    assert held(door) == (3, "32.40", 2, "6.00")
    spent = door.get(f"/v1/{customer}:spendSummary").json()
    assert (amount(spent["net"]), spent["purchaseCount"], spent["refundCount"]) == ("6.40", "1", "2")


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(tmp_path: Path) -> None:
    """It needs neither a suite nor a key, and refuses what the suite would refuse."""
    path = write_slips(tmp_path / "sales.csv", [Slip("1"), Slip("2", refund=True), Slip("3", store="leeds")])
    arguments = ["import", "purchases", str(path), "--mapping", str(LINES_MAPPING), "--dry-run"]
    result = invoke(arguments)
    assert result.exit_code == 4
    assert result.stdout.splitlines() == [
        "receipts: 3",
        "unreadable: 1",
        "left out: 0",
        "purchases read: 1",
        "refunds read: 1",
        "GBP: purchases 10, refunds 10, net 0",
        "rows 4: STRING_PATTERN: purchase.receipt.store must match ^[A-Z0-9][A-Z0-9-]{0,31}$.",
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_another_content_under_a_known_number_is_refused(door: Door, tmp_path: Path) -> None:
    """The suite's own refusals stand beside those of the reading, and cost the others nothing."""
    assert invoke(old(door, tmp_path, [Slip("1")]).command()).exit_code == 0
    one = old(door, tmp_path, [Slip("1", [Item("TEA", "Tea", 1000, 9_00)]), Slip("2", store=""), Slip("3")])
    assert invoke(one.command("--rejects", str(one.given.rejects))).exit_code == 4
    assert [(told["rows"], told["record"], told["reason"]) for told in rejects(one)] == [
        ("2", "purchase", "RECEIPT_CONFLICT"),
        ("3", "", "CELL_EMPTY"),
    ]
    assert held(door) == (2, "20.00", 0, "0.00")


@pytest.mark.requirement("C-23")
def test_an_import_that_was_stopped_goes_on_where_it_was(door: Door, tmp_path: Path) -> None:
    """Nothing is sent twice, and file of the refused and figures are those of an import that was never stopped."""
    wrong = [replace(slip, store="") if slip.number.endswith("7") else slip for slip in MANY]
    one = old(door, tmp_path, wrong)
    halfway = one.run(stop_after=3 * BATCH + 50)
    assert (halfway.finished, halfway.outcome.receipts) == (False, 3 * BATCH + 50)
    assert one.given.progress_file.exists()
    assert one.given.rejects is not None
    with one.given.rejects.open("a", encoding="utf-8") as text:
        text.write("what was told after the last safe point is told again\n")
    done = one.run(resume=True)
    refused = [slip for slip in wrong if not slip.store]
    assert (done.finished, done.outcome.receipts, done.outcome.unreadable) == (True, len(wrong), len(refused))
    assert done.outcome.counts == {"purchases_recorded": len(wrong) - len(refused)}
    assert not one.given.progress_file.exists()
    assert [told["rows"] for told in rejects(one)] == [str(int(slip.number) + 1) for slip in refused]
    assert held(door)[0] == len(wrong) - len(refused)


@pytest.mark.requirement("C-23")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_import_that_was_ended_doubles_nothing_when_it_goes_on(
    door: Door, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """What was on its way when the process was killed is found there; Ctrl-C leaves nothing on its way."""
    one = old(door, tmp_path, MANY)
    command = [sys.executable, "-m", "cli", *one.command()]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not one.given.progress_file.exists():
            assert process.poll() is None
        process.send_signal(number)
        said = process.communicate()[1]
    assert process.returncode == code
    assert ("go on with --resume" in said) == (number == signal.SIGINT)
    before = held(door)[0]
    assert 0 < before < len(MANY)
    code, told = as_json(one.command("--resume"))
    assert (code, told["finished"], told["receipts"]) == (0, True, len(MANY))
    assert told["purchases_recorded"] + told.get("purchases_replayed", 0) == len(MANY)
    assert number == signal.SIGKILL or told["purchases_recorded"] == len(MANY)
    assert told["totals"]["GBP"]["net"] == pounds(SUM)
    assert held(door) == (len(MANY), pounds(SUM), 0, "0.00")


def test_a_batch_is_cut_by_its_lines_too() -> None:
    """Receipts of many lines do not make a body that is too large."""
    many = Reading("1", [Slip("1", [Item("TEA", "", 1000, 1)] * 2000).record()])
    assert [len(batch) for batch in batches([many] * 12)] == [5, 5, 2]


def test_what_is_not_the_import_that_stopped_does_not_go_on(door: Door, tmp_path: Path) -> None:
    """Another file, mapping or suite would leave out what was never sent; neither is there anything to go on with."""
    one = old(door, tmp_path, MANY)
    assert "nothing to go on with" in (fresh := invoke(one.command("--resume"))).stderr
    one.run(stop_after=BATCH)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(f"{LINES_MAPPING.read_text()}# changed")
    by_another = invoke(Old(replace(one.given, mapping=mapping)).command("--resume"))
    elsewhere = invoke(one.command("--resume", url=f"http://127.0.0.1:{free_port()}"))
    write_slips(one.given.file, [Slip("0"), *MANY])
    other = invoke(one.command("--resume"))
    assert all("another than before" in each.stderr for each in (by_another, elsewhere, other))
    one.given.progress_file.write_text("{")
    damaged = invoke(one.command("--resume"))
    assert "is damaged" in damaged.stderr
    assert [each.exit_code for each in (fresh, by_another, elsewhere, other, damaged)] == [2] * 5


def test_a_suite_that_is_away_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    """An import that finds nobody after all its tries ends with 3, and leaves nothing to go on with."""
    file = write_slips(tmp_path / "sales.csv", [Slip("1")])
    words = ["import", "purchases", str(file), "--mapping", str(LINES_MAPPING), "--token", ADMIN]
    assert invoke([*words, "--url", f"http://127.0.0.1:{free_port()}"]).exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["sales.csv"]


def test_wrong_usage_has_exit_codes_of_its_own(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script can tell what to do next."""
    monkeypatch.setenv("SHUKE_HOME", str(tmp_path))
    one = old(door, tmp_path, [Slip("1")])
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(LINES_MAPPING.read_text().replace("[line]", '[line]\ncolour = "Colour"'))
    wrong = invoke(["import", "purchases", str(one.given.file), "--mapping", str(mapping), "--dry-run"])
    assert "line.colour: unknown key; known are line_no, sku" in wrong.stderr
    keyless = invoke([*one.command()[:-1], "shk_nobody"])
    assert "TOKEN_INVALID" in keyless.stderr
    tokenless = invoke(one.command()[:-2])
    assert [each.exit_code for each in (wrong, keyless, tokenless)] == [2, 1, 2]
    assert held(door) == (0, "0.00", 0, "0.00")
