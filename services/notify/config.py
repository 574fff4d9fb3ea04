"""Settings of the notify service: the variables SHUKE_NOTIFY_*."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from chassis.settings import Address, SealingSettings


class NotifySettings(SealingSettings):
    """What the notify service can be told."""

    prefix = "SHUKE_NOTIFY_"

    port: int = Field(50054, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    customer_address: Address = Field(
        "127.0.0.1:50051", description="where the customer service answers, for contacts and its event feed"
    )
    tiering_address: Address = Field("127.0.0.1:50052", description="where tiering answers, for its event feed")
    ticketing_address: Address = Field("127.0.0.1:50053", description="where ticketing answers, for its event feed")
    approval_people: int = Field(
        3,
        ge=1,
        le=3,
        description="distinct people who write, review and approve a text; production takes 3",
    )
    smtp_address: str = Field(
        "", pattern=r"^(\S+:\d{1,5})?$", description="host:port of the mail server; empty turns e-mail off"
    )
    smtp_sender: str = Field(
        "", pattern=r"^([!-?A-~]+@[0-9A-Za-z.-]+)?$", description="address that e-mail comes from; needed with e-mail"
    )
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="how the line is encrypted; none is taken only on loopback"
    )
    smtp_user: str = Field("", description="who signs in at the mail server; empty for nobody")
    smtp_password: SecretStr = Field(SecretStr(""), description="the user's password")
    smtp_timeout_seconds: float = Field(10.0, gt=0, le=60, description="how long the mail server may take to answer")
    file_dir: str = Field(
        "",
        description="folder of text messages and call tasks, one file per channel and day, for whoever fetches them; "
        "empty turns both off",
    )
    lease_seconds: int = Field(
        120,
        ge=1,
        le=3600,
        description="after how long work that has begun is taken to have died; above four answers of the mail server",
    )
    attempts: int = Field(6, ge=1, le=20, description="most failed attempts at a message, after which it is dead")
    first_pause_seconds: int = Field(
        60, ge=1, le=3600, description="pause after a first failed attempt; each further one is four times as long"
    )
