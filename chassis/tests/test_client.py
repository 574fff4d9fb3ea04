"""Calls to other services: under a signed token that is used again for half of its life."""

from __future__ import annotations

from chassis.calendar import SECOND
from chassis.client import Credentials
from chassis.principals import Principal
from chassis.tests.serving import PRIVATE
from chassis.tokens import Signer
from tests.running import Clock


def test_a_token_is_used_again_for_half_a_minute() -> None:
    """Signing costs more than a call: a token serves half of its life, per service, and then is replaced."""
    clock = Clock()
    credentials = Credentials(Signer("customer", PRIVATE, clock), Principal("services/customer", ("events.read",)))
    first, other = credentials.headers("tiering"), credentials.headers("notify")
    assert first != other
    clock.now += 30 * SECOND
    assert (credentials.headers("tiering"), credentials.headers("notify")) == (first, other)
    clock.now += 1
    [(name, value)] = credentials.headers("tiering")
    assert name == "authorization"
    assert value.startswith("Bearer ")
    assert ((name, value),) != first
