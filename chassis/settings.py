"""Settings: environment variables with the prefix SHUKE_, typed, checked at the start, printable without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo

from chassis.money import Currency
from chassis.vault import read_keys

S = TypeVar("S", bound="Settings")

IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
MOST_PORT = 65535
NATS_SCHEMES = ("nats", "tls")


class SettingError(Exception):
    """A setting that is missing, wrong or unknown; the text names the variable."""


def _check_address(value: str) -> str:
    addresses = value.split(",")
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not (HOST.fullmatch(host) and port.isascii() and port.isdecimal() and 0 < int(port) <= MOST_PORT):
            raise ValueError(f"{address!r} is not host:port; several go with commas between them, without spaces")
        if len(addresses) > 1 and not IPV4.fullmatch(host):
            raise ValueError(f"{host} is no IPv4 address; a name that stands for several replicas is given alone")
    return value


# Where a service answers: `host:port`, where a name may stand for several replicas, or `ipv4:port,ipv4:port`.
Address = Annotated[str, AfterValidator(_check_address)]


class Settings(BaseModel):
    """Settings under one prefix. A secret may also be read from the file that the variable with `_FILE` added names."""

    model_config = ConfigDict(frozen=True)
    prefix: ClassVar[str]
    # Whether variables of the prefix that mean nothing are refused.
    alone: ClassVar[bool] = True

    @classmethod
    def read(cls, environ: dict[str, str] | None = None) -> Self:
        """Read the settings from the environment and refuse variables of this prefix that mean nothing."""
        variables = {
            name.removeprefix(cls.prefix).lower(): value
            for name, value in (os.environ if environ is None else environ).items()
            if name.startswith(cls.prefix)
        }
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        values: dict[str, Any] = {}
        for name, value in variables.items():
            if name in fields:
                values[name] = value
            elif name.endswith("_file") and _secret(fields.get(name.removesuffix("_file"))):
                values[name.removesuffix("_file")] = _read_file(f"{cls.prefix}{name.upper()}", value)
            elif cls.alone:
                raise SettingError(f"{cls.prefix}{name.upper()} is no setting; `check-config` lists them")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            wrong = (f"{cls.prefix}{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors())
            raise SettingError("; ".join(wrong)) from error

    def lines(self) -> list[str]:
        """Write the effective values, secrets as stars, one variable a line."""
        fields = type(self).model_fields.items()
        return [f"{self.prefix}{(field.alias or name).upper()}={getattr(self, name)}" for name, field in fields]


def _read_file(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SettingError(f"{variable}: {path} cannot be read as a text") from error


def _secret(field: FieldInfo | None) -> bool:
    return field is not None and field.annotation is SecretStr


class Chain(Settings):
    """What the whole chain shares. It is stored at the first start and refused when it changes afterwards."""

    prefix = "SHUKE_CHAIN_"

    zone: str = Field("Asia/Shanghai", description="time zone of the chain's days, as in the IANA database")
    currency: str = Field("CNY", pattern="^[A-Z]{3}$", description="the one currency of the chain's books, ISO 4217")
    region: str = Field("CN", pattern="^[A-Z]{2}$", description="region by which national phone numbers are read")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value} is no time zone of the IANA database") from error
        return value

    @property
    def money(self) -> Currency:
        """The chain's currency with its decimal places."""
        return Currency.of(self.currency)

    @property
    def zone_info(self) -> ZoneInfo:
        """The chain's time zone."""
        return ZoneInfo(self.zone)


class Suite(Settings):
    """What every process of the suite reads beside its own settings."""

    prefix = "SHUKE_"
    # Every other prefix begins with this one.
    alone = False

    env: Literal["development", "production"] = Field(
        "development", description="production refuses what is for trying out"
    )
    trust: Path = Field(Path("trust.json"), description="file that maps each issuer of tokens to its key and claims")
    nats_url: SecretStr = Field(
        SecretStr(""),
        description="NATS servers with JetStream that carry events, nats://host:port or tls://host:port, several by "
        "commas; empty, and services read each other's feeds alone",
    )
    nats_prefix: str = Field(
        "shuke",
        pattern="^[A-Za-z0-9_-]+$",
        description="what the names of this suite's streams and subjects begin with",
    )

    @field_validator("nats_url")
    @classmethod
    def _servers(cls, value: SecretStr) -> SecretStr:
        for server in filter(None, value.get_secret_value().split(",")):
            url = urlsplit(server)
            if url.scheme not in NATS_SCHEMES or not url.hostname:
                raise ValueError("each server is written nats://host:port or tls://host:port")
        return value

    @property
    def nats_servers(self) -> list[str]:
        """The NATS servers; none where events are read from feeds alone."""
        return [server.strip() for server in self.nats_url.get_secret_value().split(",") if server]


class ServiceSettings(Settings):
    """What every service has."""

    host: str = Field(
        "127.0.0.1",
        pattern=r"^(127(\.\d{1,3}){3}|localhost)$",
        description="address to listen on; calls are in plain text, so only loopback is taken",
    )
    port: int = Field(0, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    database_url: SecretStr = Field(description="SQLite or PostgreSQL, as an SQLAlchemy URL")
    pool_size: int = Field(16, ge=1, le=200, description="most database connections of each kind")
    statement_seconds: float = Field(
        30.0,
        gt=0,
        description="after how long PostgreSQL ends a statement; evaluations have a setting of their own, and "
        "migrations have no such end",
    )
    lock_seconds: float = Field(3.0, ge=0.001, description="how long a statement waits for a lock in PostgreSQL")
    threads: int = Field(16, ge=1, le=256, description="calls worked on at once")
    connection_seconds: float = Field(
        300.0, gt=0, description="how long a gRPC connection is used; clients then connect anew by themselves"
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port for metrics, for Prometheus; 0 takes any free one, without one none is"
    )
    signing_key: SecretStr = Field(description="private key (JSON Web Key, Ed25519) for calls to other services")
    request_days: int = Field(
        7, ge=1, le=366, description="days for which the answer to a mutation is kept under its request id"
    )
    drain_seconds: float = Field(10.0, ge=0, description="how long calls in flight may take on shutdown")


class SealingSettings(ServiceSettings):
    """What a service that keeps personal data must be told besides: the keys of its vault, the newest first."""

    vault_key: SecretStr = Field(
        description="key that wraps the keys of personal data: base64 of 32 bytes; several, newest first, by commas"
    )
    index_key: SecretStr = Field(
        description="key of the blind index and of digests: base64 of 32 bytes; several, newest first, by commas"
    )

    @field_validator("vault_key", "index_key")
    @classmethod
    def _readable(cls, value: SecretStr) -> SecretStr:
        read_keys(value.get_secret_value())
        return value

    @property
    def vault_keys(self) -> tuple[bytes, ...]:
        """The keys that wrap, and that did."""
        return read_keys(self.vault_key.get_secret_value())

    @property
    def index_keys(self) -> tuple[bytes, ...]:
        """The keys that digest, and that did."""
        return read_keys(self.index_key.get_secret_value())
