"""The measure itself: from two servers that start to a file of figures."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
from google.protobuf.message import Message
from rich.console import Console

from bench.__main__ import main, run
from bench.calls import Size, measure
from bench.databases import ENGINES
from bench.figures import Figure
from bench.processes import BenchError, Process, serving
from bench.requests import Caller, Work, WrongAnswerError, enrol, read_events
from bench.targets import MOST, Verdict, verdict
from cli.suite import free_port
from shuke.customer.v1 import customer_pb2, purchases_pb2
from shuke.event.v1 import event_pb2

TINY = Size(rounds=2, warm_up=1, calls=4, batches=2, batch=3, customers=4, idle_seconds=0.1)
CALLER = Caller(["customers/1"], Random(1))
COSTS = {"value", "unit", "spread", "ours_us", "bare_us", "ours_ms", "bare_ms"}
ITEMS = {
    "record_purchase": "call",
    "lookup_customer": "call",
    "batch_record_purchases": "purchase",
    "read_events": "event",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_measures_every_call(engine: str, tmp_path: Path) -> None:
    """A run calls both servers, all answers are good, and each figure stands in the file; to do more costs more."""
    result = tmp_path / "build" / "bench.json"
    shown = io.StringIO()
    run({engine: partial(measure, engine, TINY)}, result, Console(file=shown, width=200))
    told = json.loads(result.read_text())
    idle = told.pop(f"idle.{engine}")
    assert told.keys() == {f"{name}.{engine}" for name in ITEMS}
    for name, figure in told.items():
        # What works in the background is told beside, whether a process of its own does it or a thread.
        assert figure.keys() - {"most"} == COSTS | {"worker_us"}
        assert figure["unit"] == f"of a bare call, CPU per {ITEMS[name.partition('.')[0]]}"
        assert figure.get("most") == MOST.get(name)
        assert all(figure[field] > 0 for field in COSTS - {"unit", "spread"}), name
        assert figure["spread"] >= 0
        assert name in shown.getvalue()
    assert told[f"record_purchase.{engine}"]["value"] > 1
    assert told[f"record_purchase.{engine}"]["worker_us"] > 0
    parts = {"serve", "work"} if engine == "postgresql" else {"serve"}
    assert idle.keys() == {"value", "unit", *parts}
    assert idle["value"] == pytest.approx(sum(idle[part] for part in parts), abs=0.01)


def test_a_part_is_chosen_by_how_its_name_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """What nothing is called ends the run before it starts, and names what there is."""
    assert main(["weather"]) == 2
    assert "calls.sqlite, calls.postgresql" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [
        (9.0, None, Verdict.NONE),
        (1.5, 1.5, Verdict.MET),
        (1.501, 1.5, Verdict.CLOSE),
        (1.875, 1.5, Verdict.CLOSE),
        (1.876, 1.5, Verdict.MISSED),
    ],
)
def test_a_target_is_missed_by_more_than_a_quarter(value: float, most: float | None, expected: Verdict) -> None:
    """Up to the target is met, up to a quarter beyond is close, and only more fails."""
    assert verdict(value, most) is expected


def test_what_misses_its_target_is_told(tmp_path: Path) -> None:
    """A run answers the figures that lie further beyond their targets than a quarter, and no others."""
    figures = {name: Figure(most * 1.2, "times") for name, most in MOST.items()} | {"unknown": Figure(99.0, "times")}
    worst = next(iter(MOST))

    def measured(value: float) -> list[str]:
        all_of_them = figures | {worst: Figure(value, "times")}
        return run({"all": lambda *_: iter(all_of_them.items())}, tmp_path / "bench.json", Console(file=io.StringIO()))

    assert measured(MOST[worst]) == []
    assert measured(MOST[worst] * 1.26) == [worst]


WRONG: list[tuple[Work, Message]] = [
    (CALLER.record(), purchases_pb2.RecordPurchaseResponse()),
    (
        CALLER.record(),
        purchases_pb2.RecordPurchaseResponse(purchase=purchases_pb2.Purchase(name="purchases/1"), replayed=True),
    ),
    (
        CALLER.record(),
        purchases_pb2.RecordPurchaseResponse(
            purchase=purchases_pb2.Purchase(
                name="purchases/1", anomalies=[purchases_pb2.Purchase.Anomaly.CUSTOMER_UNKNOWN]
            )
        ),
    ),
    (
        CALLER.record_batches(1),
        purchases_pb2.BatchRecordPurchasesResponse(results=[purchases_pb2.BatchRecordPurchasesResponse.Result()]),
    ),
    (CALLER.look_up(), customer_pb2.LookupCustomerResponse()),
    (enrol(1), customer_pb2.EnrolCustomerResponse()),
    (read_events(), event_pb2.ReadEventsResponse()),
]


@pytest.mark.parametrize(("work", "answer"), WRONG)
def test_a_wrong_answer_ends_the_run(work: Work, answer: Message) -> None:
    """What is not the work that was asked for is never counted as if it were."""
    with pytest.raises(WrongAnswerError):
        work.done(answer)


def test_each_sale_is_another_one() -> None:
    """No two sales of a run have the same receipt, whoever sends them: what is there already costs less."""
    single, [batch] = CALLER.record().requests(3), CALLER.record_batches(3).requests(1)
    assert isinstance(batch, purchases_pb2.BatchRecordPurchasesRequest)
    sales = [*single, *batch.requests]
    assert len({sale.purchase.receipt.receipt_no for sale in sales}) == 6  # type: ignore[attr-defined]


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    """A process that ends at once ends the run, with what it said."""
    with (
        pytest.raises(BenchError, match=r"No module named bench\.missing"),
        serving(["bench.missing"], {}, free_port(), tmp_path / "log"),
    ):
        pass


def test_the_account_is_of_the_process() -> None:
    """What the process computes is on its account, and what others compute is not."""
    source = "print(sum(range(1_000_000)), flush=True)\ninput()\nsum(range(1_000_000))"
    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        server = Process(process)
        process.stdout.readline()
        early = server.cpu()
        process.stdin.write(b"\n")
        process.stdin.close()
        # It has ended, and its account is kept as long as nobody asks how.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        late = server.cpu()
        sum(range(1_000_000))
        assert 0 < early < late == server.cpu()
