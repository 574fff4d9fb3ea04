"""Tiering and the customer service beside each other, each reading the other's events over the wire."""

from __future__ import annotations

import socket
from datetime import date

import pytest

from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, alone, line
from services.customer.tests.builders import sale as bought
from services.tiering.server import PROGRAM
from services.tiering.tests.clients import Tiering, wait_for
from services.tiering.tests.owner import Owner
from tests.running import StartService


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("transport", ["feed", "nats"], indirect=True)
@pytest.mark.requirement("T-01", "T-02", "T-13")
def test_a_purchase_leads_to_a_class_in_the_customers_file(start_service: StartService) -> None:
    """A sale makes its customer NEW in the file, and a run, which reads all that came before it, REGULAR."""
    port = free_port()
    shop = Shop(start_service(CUSTOMER, tiering_address=f"127.0.0.1:{port}"))
    customer_port = shop.running.service.foundation.server.port
    running = start_service(PROGRAM, port=str(port), customer_address=f"127.0.0.1:{customer_port}")
    tiering = Tiering(running, Owner())
    tiering.activate()
    anna = shop.customer()
    shop.refund(alone("R1", line(1, 5_00), customer=anna))
    shop.record(bought("R2", line(1, 200_00), customer=anna))

    def held() -> list[tuple[str, str]]:
        return [(one.class_key, one.display_name) for one in shop.file(anna).classes]

    wait_for(lambda: held() == [("NEW", "New")])
    shop.record(bought("R3", line(1, 305_00), customer=anna))
    evaluation = tiering.evaluate(date(2026, 3, 1))
    assert (evaluation.denominator, evaluation.up_count) == (1, 1)
    wait_for(lambda: held() == [("REGULAR", "Regular")])
    [current] = shop.file(anna).classes
    assert current.since_time == evaluation.effective_time
