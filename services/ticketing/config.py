"""Settings of the ticketing service: the variables SHUKE_TICKETING_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import Address, SealingSettings


class TicketingSettings(SealingSettings):
    """What the ticketing service can be told."""

    prefix = "SHUKE_TICKETING_"

    port: int = Field(50053, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    customer_address: Address = Field(
        "127.0.0.1:50051", description="where the customer service answers, for customers and its event feed"
    )
    tiering_address: Address = Field("127.0.0.1:50052", description="where tiering answers, for its event feed")
    approval_people: int = Field(
        3,
        ge=1,
        le=3,
        description="distinct people who write, review and approve a policy; production takes 3",
    )
