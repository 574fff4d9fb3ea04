"""The notify service as a whole: what its settings must be, and what they are for."""

from __future__ import annotations

from typing import Any

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from chassis.settings import Chain, SettingError
from chassis.vault import generate_key
from cli.suite import free_port
from services.notify.config import NotifySettings
from services.notify.server import PROGRAM, channels
from services.notify.tests.desk import Desk, wait_for
from services.notify.tests.neighbours import ANNA, Neighbours, confirmed
from shuke.notify.v1.messages_pb2 import Message
from shuke.notify.v1.templates_pb2 import Template
from tests.running import CHAIN, StartService

GIVEN = {"DATABASE_URL": "sqlite://", "SIGNING_KEY": "-", "VAULT_KEY": generate_key(), "INDEX_KEY": generate_key()}
MAIL = {"SMTP_ADDRESS": "127.0.0.1:25", "SMTP_SENDER": "service@shop.example", "SMTP_TLS": "none"}


def made(**settings: str) -> set[str]:
    """Make the channels that settings switch on."""
    environ = {f"SHUKE_NOTIFY_{name}": value for name, value in {**GIVEN, **settings}.items()}
    return set(channels(NotifySettings.read(environ), Chain.read(CHAIN)))


def test_channels_are_on_when_they_are_told_where() -> None:
    """Nothing is on by itself; a mail server brings e-mail, a folder text messages and call tasks."""
    assert made() == set()
    assert made(**MAIL) == {"EMAIL"}
    assert made(FILE_DIR="out") == {"SMS", "PHONE"}
    assert made(**{**MAIL, "SMTP_ADDRESS": "mail.example:587", "SMTP_TLS": "starttls"}) == {"EMAIL"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SMTP_SENDER": ""}, "SMTP_SENDER is needed"),
        ({"SMTP_SENDER": "service"}, "SMTP_SENDER"),
        ({"SMTP_ADDRESS": "mail.example"}, "SMTP_ADDRESS"),
        ({"SMTP_ADDRESS": "mail.example:25"}, "only for a mail server on loopback"),
        ({"SMTP_ADDRESS": "10.0.0.1:25"}, "only for a mail server on loopback"),
        ({"SMTP_TLS": "some"}, "SMTP_TLS"),
        ({"SMTP_TIMEOUT_SECONDS": "30"}, "LEASE_SECONDS must be above 4 times SMTP_TIMEOUT_SECONDS"),
    ],
)
def test_settings_that_do_not_go_together_stop_the_start(settings: dict[str, str], said: str) -> None:
    """A setting that is wrong or missing is named, before anything runs."""
    with pytest.raises(SettingError, match=said):
        made(**{**MAIL, **settings})


def test_secrets_print_as_stars() -> None:
    """The effective settings show no key and no password."""
    environ = {f"SHUKE_NOTIFY_{name}": value for name, value in {**GIVEN, "SMTP_PASSWORD": "s3cret"}.items()}
    lines = "\n".join(NotifySettings.read(environ).lines())
    assert "SHUKE_NOTIFY_SMTP_PASSWORD=**********" in lines
    assert "s3cret" not in lines


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_channel_that_is_off_is_not_chosen(beside: Neighbours, desk: Desk, start_service: StartService) -> None:
    """A message takes a channel that is on; with none left it is suppressed and no customer is asked about."""
    running = start_service(PROGRAM, None, **beside.addresses, file_dir=str(desk.folder))
    other = Desk(running, beside, desk.mail, desk.folder)
    other.template()
    other.person()
    off, other_way = other.sent(channels=[Template.EMAIL]), other.sent()
    assert (off.state, off.reason) == (Message.SUPPRESSED, Message.CHANNEL_OFF)
    assert (other_way.state, other_way.channel) == (Message.SENT, Template.SMS)
    assert len(beside.asked) == 1


@pytest.mark.parametrize("engine", ["sqlite"])
def test_one_that_is_away_holds_up_nothing_else(beside: Neighbours, desk: Desk, start_service: StartService) -> None:
    """While nobody answers where ticketing should be, notify is healthy, sends, and hears of gradings."""
    away = {**beside.addresses, "ticketing_address": f"127.0.0.1:{free_port()}"}
    running = start_service(PROGRAM, None, **away, file_dir=str(desk.folder))
    stub: Any = HealthStub(running.channel)
    assert stub.Check(HealthCheckRequest(), timeout=10).status == HealthCheckResponse.SERVING
    other = Desk(running, beside, desk.mail, desk.folder)
    other.rule()
    other.person()
    beside.tell(confirmed(ANNA))
    assert wait_for(lambda: [each.channel for each in other.messages(state=Message.SENT).messages]) == [Template.SMS]
