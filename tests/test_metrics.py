"""What each service tells Prometheus on a port of its own."""

from __future__ import annotations

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.service import Program
from services.customer.server import PROGRAM as CUSTOMER
from services.notify.server import PROGRAM as NOTIFY
from services.ticketing.server import PROGRAM as TICKETING
from services.tiering.server import PROGRAM as TIERING
from tests.running import StartService

BACKLOG = {
    "shuke_call_seconds",
    "shuke_calls_in_flight",
    "shuke_worker_cpu_seconds",
    "shuke_database_up",
    "shuke_outbox_events",
    "shuke_consumer_lag_events",
    "shuke_consumer_fetch_time_seconds",
    "shuke_parked_subjects",
    "shuke_rebuild_left_events",
}
OWN = {"ticketing": {"shuke_clocks_due"}}
OVER_NATS = {"shuke_nats_connected", "shuke_relay_backlog_events"}


@pytest.mark.parametrize("transport", ["feed", "nats"], indirect=True)
@pytest.mark.parametrize("program", [CUSTOMER, TIERING, TICKETING, NOTIFY], ids=lambda program: program.name)
def test_a_service_tells_what_it_does_and_what_waits(
    start_service: StartService, program: Program, transport: dict[str, str]
) -> None:
    """With a port for metrics a service serves calls, events and its own matters there; without one it does not."""
    port = start_service(program, metrics_port="0").service.foundation.metrics_port
    assert port is not None
    answer = httpx2.get(f"http://127.0.0.1:{port.port}/metrics", timeout=10)
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    told = {name for name in families if name.startswith("shuke_")}
    assert told == BACKLOG | OWN.get(program.name, set()) | (OVER_NATS if transport else set())
    assert start_service(program).service.foundation.metrics_port is None
