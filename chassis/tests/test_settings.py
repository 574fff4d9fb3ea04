"""Settings: what is wrong, missing or unknown stops the start and is named; secrets are never printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from chassis.chain import ChainChangedError, chain_table, remember
from chassis.database import Database, metadata
from chassis.settings import Address, Chain, ServiceSettings, SettingError, Settings, Suite

TABLES = metadata()
CHAIN = chain_table(TABLES)
SECRETS = {"SHUKE_SHOP_DATABASE_URL": "postgresql://u:hunter2@db/shop", "SHUKE_SHOP_SIGNING_KEY": "hunter3"}


class ShopSettings(ServiceSettings):
    """Settings of a service that is not there."""

    prefix = "SHUKE_SHOP_"

    size: int = Field(3, ge=1, le=9, description="how many")
    depot_address: Address = Field("127.0.0.1:1", description="where the depot answers")


def read(**variables: str) -> ShopSettings:
    """Read settings with all that is needed and more."""
    return ShopSettings.read({**SECRETS, **{f"SHUKE_SHOP_{name}": value for name, value in variables.items()}})


def test_defaults_and_variables() -> None:
    """A variable overrides its default, typed; other variables are none of ours."""
    assert (read().size, read().host, read().port) == (3, "127.0.0.1", 0)
    found = ShopSettings.read({**SECRETS, "SHUKE_SHOP_SIZE": "9", "SHUKE_CHAIN_ZONE": "x", "PATH": "/bin"})
    assert found.size == 9
    assert found.signing_key.get_secret_value() == "hunter3"


def test_an_unknown_variable_stops_the_start() -> None:
    """A typing error in a name is found, and not taken for a default."""
    with pytest.raises(SettingError, match="SHUKE_SHOP_SIZ is no setting"):
        read(SIZ="3")
    with pytest.raises(SettingError, match="SHUKE_SHOP_SIZE_FILE is no setting"):
        read(SIZE_FILE="/dev/null")


def test_missing_and_wrong_values_are_named() -> None:
    """All that is wrong is told at once, by the variables' names and without the secrets' values."""
    with pytest.raises(SettingError, match="SHUKE_SHOP_DATABASE_URL: Field required; SHUKE_SHOP_SIGNING_KEY"):
        ShopSettings.read({})
    for value in ("0", "10", "three", ""):
        with pytest.raises(SettingError, match="SHUKE_SHOP_SIZE: Input should be") as wrong:
            read(SIZE=value)
        assert "hunter" not in str(wrong.value)


def test_only_our_own_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable without our prefix, such as the HOST or ENV that shells and clouds set, changes nothing."""
    for name in ("HOST", "host", "PORT", "ENV", "ZONE", "SIZE", "SIGNING_KEY", "DATABASE_URL"):
        monkeypatch.setenv(name, "7")
    assert (read().host, read().port, read().size) == ("127.0.0.1", 0, 3)
    assert Chain.read({}).zone == "Asia/Shanghai"
    assert Suite.read({}).env == "development"
    with pytest.raises(SettingError, match="Field required"):
        ShopSettings.read({})


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything else the process's own environment is read."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHUKE_SHOP_SIZE", "5")
    assert ShopSettings.read().size == 5


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """The variable with _FILE names a file whose text is the secret; one that cannot be read stops the start."""
    secret = tmp_path / "key"
    secret.write_text("from a file\n")
    variables = {"SHUKE_SHOP_DATABASE_URL": "sqlite://", "SHUKE_SHOP_SIGNING_KEY_FILE": str(secret)}
    assert ShopSettings.read(variables).signing_key.get_secret_value() == "from a file"
    secret.write_bytes(b"\xff\xfe")
    for path in (secret, tmp_path / "missing", tmp_path):
        with pytest.raises(SettingError, match="SHUKE_SHOP_SIGNING_KEY_FILE"):
            ShopSettings.read({**variables, "SHUKE_SHOP_SIGNING_KEY_FILE": str(path)})


def test_secrets_are_printed_as_stars() -> None:
    """The effective values can be shown to anybody: one variable a line, secrets and passwords as stars."""
    lines = read(SIZE="4").lines()
    assert "SHUKE_SHOP_SIZE=4" in lines
    assert "SHUKE_SHOP_SIGNING_KEY=**********" in lines
    assert "SHUKE_SHOP_DATABASE_URL=**********" in lines
    assert len(lines) == len(ShopSettings.model_fields)
    assert "hunter" not in "\n".join(lines) + repr(read()) + str(read())


def test_every_setting_explains_itself() -> None:
    """Each setting says in a few words what it is for."""
    for settings in (Chain, Suite, ServiceSettings):
        assert [name for name, field in settings.model_fields.items() if not field.description] == []


def test_settings_do_not_change() -> None:
    """What was read at the start holds until the end."""
    found = read()
    with pytest.raises(ValueError, match="frozen"):
        found.size = 9


def test_plain_text_stays_on_this_machine() -> None:
    """Another address than a loopback one is refused, as long as calls are not encrypted."""
    assert read(HOST="127.0.0.2").host == "127.0.0.2"
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.com", "127.0.0.1.example.com"):  # noqa: S104
        with pytest.raises(SettingError, match="SHUKE_SHOP_HOST"):
            read(HOST=host)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:50051",
        "depot.example:443",
        "localhost:1",
        "[::1]:65535",
        "10.0.0.1:1,10.0.0.2:1",
        "10.0.0.1:1,10.0.0.1:2",
    ],
)
def test_replicas_have_one_name_or_several_addresses(address: str) -> None:
    """A service is found by host and port, by a name that stands for several, or by the address of each replica."""
    assert read(DEPOT_ADDRESS=address).depot_address == address


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "'' is not host:port"),
        ("depot", "'depot' is not host:port"),
        ("depot:", "'depot:' is not host:port"),
        (":50051", "':50051' is not host:port"),
        ("depot:0", "'depot:0' is not host:port"),
        ("depot:65536", "'depot:65536' is not host:port"),
        ("depot:²", "'depot:²' is not host:port"),
        ("dns:///depot:1", "is not host:port"),
        ("10.0.0.1:1, 10.0.0.2:1", "' 10.0.0.2:1' is not host:port; several go with commas"),
        ("10.0.0.1:1,", "'' is not host:port"),
        ("10.0.0.1:1,depot:1", "depot is no IPv4 address; a name that stands for several replicas is given alone"),
    ],
)
def test_an_address_that_leads_nowhere_stops_the_start(address: str, problem: str) -> None:
    """What is no address, or a list with names in it, is refused with the variable's name."""
    with pytest.raises(SettingError, match="SHUKE_SHOP_DEPOT_ADDRESS") as wrong:
        read(DEPOT_ADDRESS=address)
    assert problem in str(wrong.value)


def test_the_suites_own_prefix_leaves_the_others_alone() -> None:
    """SHUKE_ENV and SHUKE_TRUST are read beside the variables of every service."""
    assert Suite.read({"SHUKE_ENV": "production", "SHUKE_SHOP_SIZE": "3"}).env == "production"


def test_nats_is_named_by_its_servers() -> None:
    """The servers are a list of URLs, which may hold a password; without any there is no NATS."""
    assert Suite.read({}).nats_servers == []
    found = Suite.read({"SHUKE_NATS_URL": "nats://127.0.0.1:4222, tls://u:hunter2@nats.example:4222"})
    assert found.nats_servers == ["nats://127.0.0.1:4222", "tls://u:hunter2@nats.example:4222"]
    assert "hunter" not in "\n".join(found.lines())
    for value in ("127.0.0.1:4222", "http://hunter2", "nats://", "nats://a:4222,hunter2"):
        with pytest.raises(SettingError, match=r"SHUKE_NATS_URL: .* each server is written nats://host:port") as wrong:
            Suite.read({"SHUKE_NATS_URL": value})
        assert "hunter" not in str(wrong.value)
    for value in ("", "a.b", "a*", "a b"):
        with pytest.raises(SettingError, match="SHUKE_NATS_PREFIX"):
            Suite.read({"SHUKE_NATS_PREFIX": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("ZONE", "Europe/Nowhere"), ("ZONE", "../etc/passwd"), ("ZONE", ""), ("CURRENCY", "gbp"), ("REGION", "GBR")],
)
def test_a_chain_has_a_place(name: str, value: str) -> None:
    """Zone, currency and region are checked when they are read."""
    with pytest.raises(SettingError, match=f"SHUKE_CHAIN_{name}"):
        Chain.read({f"SHUKE_CHAIN_{name}": value})


def test_a_chain_keeps_its_settings(database: Database) -> None:
    """What the books were begun with is remembered; another zone, currency or region stops the start."""
    begun = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}
    for _ in range(2):
        remember(database, CHAIN, Chain.read(begun))
    for name, other in (("ZONE", "Europe/Paris"), ("CURRENCY", "EUR"), ("REGION", "FR")):
        with pytest.raises(ChainChangedError, match=f"SHUKE_CHAIN_{name} was "):
            remember(database, CHAIN, Chain.read({**begun, f"SHUKE_CHAIN_{name}": other}))
    remember(database, CHAIN, Chain.read(begun))


def test_a_setting_may_be_an_alias() -> None:
    """A setting whose name would be odd in code goes by another one outside."""

    class Doors(Settings):
        prefix = "SHUKE_DOORS_"

        front: int = Field(1, alias="front_port", description="the front door")
        key: SecretStr = Field(SecretStr("none"), alias="front_key", description="its key")

    found = Doors.read({"SHUKE_DOORS_FRONT_PORT": "7"})
    assert found.front == 7
    assert found.lines() == ["SHUKE_DOORS_FRONT_PORT=7", "SHUKE_DOORS_FRONT_KEY=**********"]
