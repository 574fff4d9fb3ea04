"""What grading everybody takes: a run of the tiering service on PostgreSQL, against bare SQL that does the same."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar
from zoneinfo import ZoneInfo

import grpc
import sqlalchemy as sa
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import json_format
from google.type.date_pb2 import Date
from sqlalchemy.engine import make_url

from bench.calls import Following
from bench.databases import database
from bench.figures import Figure
from bench.neighbours import quiet_feed
from bench.processes import CHAIN, ROOT, BenchError, tiering_service
from chassis.calendar import end_of_day
from chassis.client import Credentials, Headers
from chassis.clock import system_clock
from chassis.principals import ALL_STORES, Principal
from chassis.tokens import Signer
from shuke.tiering.v1 import policies_pb2, policies_pb2_grpc, tiering_pb2, tiering_pb2_grpc

T = TypeVar("T")

HERE = Path(__file__).parent
POLICY = ROOT / "cli" / "example_policies" / "loyalty.json"
MANAGER = Principal("staff/bench", ("*",), ALL_STORES, staff="BENCH")
AS_OF = date(2025, 12, 31)
LOOK_SECONDS = 0.05
# Who holds which class, and who moved how, without what differs from run to run.
RESULTS = """
SELECT coalesce(class_key, '') AS what, count(*), sum(hashtext(customer_id)::bigint) FROM members GROUP BY 1
UNION ALL
SELECT cause || coalesce(from_class, '') || '>' || coalesce(to_class, ''), count(*), sum(hashtext(customer_id)::bigint)
FROM movements GROUP BY 1
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How many customers the smaller and the larger chain have, and how often each is graded."""

    few: int = 100_000
    many: int = 1_000_000
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Graded:
    """What it took to grade a chain: seconds of ours and of bare SQL, and the most memory of our process in MiB."""

    ours: float
    bare: float
    memory: float


def measure(size: Size, folder: Path, following: Following) -> Iterator[tuple[str, Figure]]:
    """Grade chains of two sizes in both ways; answer the figures by their names."""
    small, large = (graded(customers, size.rounds, folder, following) for customers in (size.few, size.many))
    ratio = median(each.ours / each.bare for each in large)
    ours, ours_few = (median(each.ours for each in rounds) for rounds in (large, small))
    beside = {"ours_s": ours, "bare_s": median(each.bare for each in large)}
    yield "evaluation.postgresql", Figure(ratio, f"of bare SQL, {size.many:,} customers", beside)
    growth = f"of {size.few:,} customers' time"
    yield "evaluation.growth.postgresql", Figure(ours / ours_few, growth, {"few_s": ours_few, "many_s": ours})
    yield "evaluation.memory.postgresql", Figure(max(each.memory for each in large), "MiB at most")


def graded(customers: int, rounds: int, folder: Path, following: Following) -> list[Graded]:
    """Grade a chain so many times in both ways, each time as if it were the first."""
    with following(f"evaluation of {customers:,}", rounds) as bar, chain(customers, folder) as template:
        found = []
        for place in range(rounds):
            if place % 2:
                bare, bare_result = _on_copy(template, grade_bare)
                (ours, memory), result = _on_copy(template, partial(grade, folder))
            else:
                (ours, memory), result = _on_copy(template, partial(grade, folder))
                bare, bare_result = _on_copy(template, grade_bare)
            if result != bare_result:
                raise BenchError(f"the service found {result}, bare SQL {bare_result}")
            found.append(Graded(ours, bare, memory))
            bar.advance(1)
        return found


@contextmanager
def chain(customers: int, folder: Path) -> Iterator[str]:
    """Make a database of tiering with a policy in force, and customers that nobody has graded; answer its URL."""
    with database("chain") as url:
        with quiet_feed() as feed, tiering_service(url, feed, folder) as (server, keys):
            activate(server.channel, keys)
        with _connected(url) as connection:
            with connection.begin():
                run_script(connection, "spend.sql", {"customers": customers})
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
        yield url


def activate(channel: grpc.Channel, keys: Mapping[str, str]) -> None:
    """Bring the example ladder into force."""
    policies, headers = policies_pb2_grpc.PolicyServiceStub(channel), signed_in(keys)
    policy = json_format.Parse(POLICY.read_text(encoding="utf-8"), policies_pb2.Policy())
    draft = policies_pb2.DraftPolicyRequest(parent="policies/loyalty", policy=policy)
    name = policies.DraftPolicy(draft, metadata=headers).name
    policies.SubmitPolicy(policies_pb2.SubmitPolicyRequest(name=name), metadata=headers)
    policies.ReviewPolicy(policies_pb2.ReviewPolicyRequest(name=name), metadata=headers)
    policies.ApprovePolicy(policies_pb2.ApprovePolicyRequest(name=name), metadata=headers)
    policies.ActivatePolicy(policies_pb2.ActivatePolicyRequest(name=name), metadata=headers)


def signed_in(keys: Mapping[str, str]) -> Headers:
    """Sign in as a manager."""
    return Credentials(Signer("gateway", keys["gateway"], system_clock), MANAGER).headers("tiering")


def grade(folder: Path, url: str) -> tuple[float, float]:
    """Let the service grade everybody; answer the seconds from the call to the end, and its most memory in MiB."""
    with quiet_feed() as feed, tiering_service(url, feed, folder) as (server, keys):
        evaluations = tiering_pb2_grpc.EvaluationServiceStub(server.channel)
        operations = operations_pb2_grpc.OperationsStub(server.channel)
        as_of = Date(year=AS_OF.year, month=AS_OF.month, day=AS_OF.day)
        request = tiering_pb2.RunEvaluationRequest(scheme="schemes/loyalty", as_of=as_of)
        began = time.monotonic()
        operation = evaluations.RunEvaluation(request, metadata=signed_in(keys))
        asked = operations_pb2.GetOperationRequest(name=operation.name)
        while not operation.done:
            time.sleep(LOOK_SECONDS)
            operation = operations.GetOperation(asked, metadata=signed_in(keys))
        seconds = time.monotonic() - began
        if not operation.HasField("response"):
            raise BenchError(f"the run failed: {operation.error}")
        return seconds, server.peak_memory()


def grade_bare(url: str) -> float:
    """Let bare SQL grade everybody; answer the seconds from the first statement to the end of the commit."""
    now = system_clock()
    zone = ZoneInfo(CHAIN["SHUKE_CHAIN_ZONE"])
    values = {
        "as_of": AS_OF,
        "effective_time": end_of_day(AS_OF, zone),
        "record_time": now,
        "run": str(uuid.UUID(int=now)),
    }
    with _connected(url) as connection:
        began = time.monotonic()
        with connection.begin():
            run_script(connection, "grading.sql", values)
        return time.monotonic() - began


def run_script(connection: sa.Connection, name: str, values: Mapping[str, object]) -> None:
    """Run the statements of a file beside this one."""
    for statement in (HERE / name).read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            connection.execute(sa.text(statement), values)


def _on_copy(template: str, work: Callable[[str], T]) -> tuple[T, list[tuple[object, ...]]]:
    """Do work on a copy of a database; answer what it answers, and what then stands there."""
    with database("run", template) as url:
        with _connected(url) as connection:
            # What was copied must be on disk, or whoever comes first pays for it.
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("CHECKPOINT")
        answer = work(url)
        with _connected(url) as connection:
            return answer, [tuple(row) for row in connection.exec_driver_sql(RESULTS)]


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection
