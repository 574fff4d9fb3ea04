"""The measure itself: from two servers that start to a file of figures."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from google.protobuf.message import Message
from rich.console import Console

from bench.__main__ import run
from bench.measure import Size
from bench.neighbours import Listener
from bench.processes import BenchError, Server, serving
from bench.requests import Caller, Work, WrongAnswerError, enrol, read_events
from chassis.client import open_channel
from cli.suite import free_port
from shuke.customer.v1 import customer_pb2, purchases_pb2
from shuke.event.v1 import event_pb2

TINY = Size(rounds=2, warm_up=1, calls=4, batch=3, customers=4)
CALLER = Caller(["customers/1"], Random(1))
COSTS = {"ratio", "ours", "reference", "spread", "ours_ms", "reference_ms"}
UNITS = {
    "record_purchase.sqlite": "us of CPU per call",
    "record_purchase_by_4.sqlite": "us of CPU per call",
    "lookup_customer.sqlite": "us of CPU per call",
    "lookup_customer_by_4.sqlite": "us of CPU per call",
    "batch_record_purchases.sqlite": "us of CPU per purchase",
    "read_events.sqlite": "us of CPU per event",
}


def test_a_run_measures_every_call(tmp_path: Path) -> None:
    """A run calls both servers, all answers are good, and each figure stands in the file; to do more costs more."""
    result = tmp_path / "build" / "bench.json"
    shown = io.StringIO()
    run(["sqlite"], TINY, result, Console(file=shown, width=120))
    told = json.loads(result.read_text())
    assert {name: figure.pop("unit") for name, figure in told.items()} == UNITS
    for name, figure in told.items():
        assert figure.keys() == COSTS
        assert all(value > 0 for field, value in figure.items() if field != "spread"), name
        assert figure["spread"] >= 0
        assert name in shown.getvalue()
    assert told["record_purchase.sqlite"]["ratio"] > 1


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
    with (
        subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        open_channel("127.0.0.1:1") as channel,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        server = Server(process, channel)
        process.stdout.readline()
        early = server.cpu()
        process.stdin.write(b"\n")
        process.stdin.close()
        # It has ended, and its account is kept as long as nobody asks how.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        late = server.cpu()
        sum(range(1_000_000))
        assert 0 < early < late == server.cpu()


class Feed:
    """A feed of one partition that tells an event at a time, up to a last one."""

    def __init__(self, last: int) -> None:
        self.last = last

    def read_events(self, cursors: Mapping[int, int], _limit: int) -> event_pb2.ReadEventsResponse:
        """Answer the event behind the cursor."""
        following = cursors[0] + 1
        events = [event_pb2.Event(partition=0, position=following)] if following <= self.last else []
        return event_pb2.ReadEventsResponse(events=events)


def test_a_listener_reads_on_where_it_was() -> None:
    """A block ends with all that it told read once; what cannot be read ends the run."""
    listener = Listener("tiering", Feed(5))
    listener.hear(2)
    listener.hear(2)
    with pytest.raises(BenchError, match="tiering read 1 events of 2"):
        listener.hear(2)
