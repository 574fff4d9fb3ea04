"""The work of operations, done by a test in place of the runner, and ended with the process at some stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis.calls import Calls
from chassis.consumer import Consumer
from chassis.operations import Running
from chassis.rebuild import Listener
from services.tiering.benefits.convert import catalogue_of
from services.tiering.benefits.repository import Catalogues
from services.tiering.config import TieringSettings
from services.tiering.consumers import SOURCE, CustomerEvents
from services.tiering.evaluations.job import EvaluationJob
from services.tiering.policies.convert import rules_of
from services.tiering.policies.repository import Policies
from services.tiering.tables import CURSORS, LOG, REQUESTS
from services.tiering.tests.clients import Tiering
from shuke.tiering.v1 import tiering_pb2 as pb


class Killed(BaseException):
    """The process ends here."""


def job_of(tiering: Tiering) -> EvaluationJob:
    """Make the job that carries runs out, as another process beside this one has it."""
    base = tiering.running.service.foundation
    calls = Calls(base.database, REQUESTS, base.clock, base.new_id)
    policies = Policies(partial(rules_of, currency=base.chain.money))
    catalogues = Catalogues(partial(catalogue_of, currency=base.chain.money))
    effect = CustomerEvents(LOG, policies, catalogues, base.chain)
    consumer = Consumer(base.database, CURSORS, SOURCE, effect, clock=base.clock, new_id=base.new_id)
    assert isinstance(base.config, TieringSettings)
    listener = Listener(consumer, tiering.owner, effect.projection)
    return EvaluationJob(calls, base.config, LOG, policies, catalogues, base.chain, listener)


def work(name: str, request: Message, kill_at: pb.RunEvaluationMetadata.Stage.ValueType | None = None) -> Running:
    """Write an operation as the runner hands it over; it may end with the process at some stage."""

    def report(progress: Message) -> None:
        assert isinstance(progress, pb.RunEvaluationMetadata)
        if progress.stage == kill_at:
            raise Killed

    asked = Any()
    asked.Pack(request)
    return Running(name, asked.SerializeToString(), report)


@contextmanager
def dies() -> Iterator[None]:
    """Expect the process to end."""
    with pytest.raises(Killed):
        yield
