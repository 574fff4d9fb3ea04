"""Settings of the tiering service: the variables SHUKE_TIERING_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import ServiceSettings


class TieringSettings(ServiceSettings):
    """What the tiering service can be told."""

    prefix = "SHUKE_TIERING_"

    port: int = Field(50052, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    customer_address: str = Field("127.0.0.1:50051", description="where the customer service answers, for its events")
    approval_people: int = Field(
        3, ge=1, le=3, description="distinct people who write, review and approve a policy; production takes 3"
    )
