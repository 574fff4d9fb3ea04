"""Settings of the tiering service: the variables SHUKE_TIERING_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import Address, ServiceSettings


class TieringSettings(ServiceSettings):
    """What the tiering service can be told."""

    prefix = "SHUKE_TIERING_"

    port: int = Field(50052, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    customer_address: Address = Field(
        "127.0.0.1:50051", description="where the customer service answers, for its events"
    )
    approval_people: int = Field(
        3, ge=1, le=3, description="distinct people who write, review and approve a policy; production takes 3"
    )
    evaluation_work_mem: str = Field(
        "64MB",
        pattern=r"^[1-9]\d*(kB|MB|GB)$",
        description="memory that each sort and join of an evaluation may take in PostgreSQL, as its work_mem",
    )
    evaluation_seconds: float = Field(
        3600.0, ge=1, description="how long one statement of an evaluation may take in PostgreSQL"
    )
