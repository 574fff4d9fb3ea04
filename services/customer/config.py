"""Settings of the customer service: the variables SHUKE_CUSTOMER_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import Address, SealingSettings


class CustomerSettings(SealingSettings):
    """What the customer service can be told."""

    prefix = "SHUKE_CUSTOMER_"

    port: int = Field(50051, ge=0, le=65535, description="port to listen on; 0 takes any free one")
    tiering_address: Address = Field("127.0.0.1:50052", description="where tiering answers, for its event feed")
    notify_address: Address = Field("127.0.0.1:50054", description="where notify answers, for its event feed")
    mandatory_fields: str = Field(
        "display_name,address,phone",
        pattern="^(display_name|address|phone)(,(display_name|address|phone))*$",
        description="fields that a complete customer file must hold (X-32), separated by commas",
    )
    completion_days: int = Field(30, ge=1, le=366, description="days within which a provisional file is completed")
    service_opt_in: bool = Field(
        default=False, description="whether the purpose SERVICE needs a grant; without, it holds until withdrawn (X-13)"
    )
    approval_people: int = Field(
        3, ge=1, le=3, description="distinct people who write, review and approve a policy; production takes 3"
    )
    void_days: int = Field(
        1, ge=0, le=366, description="days after its business date in which a sale is voided without an approver"
    )
    attach_days: int = Field(
        90, ge=0, le=3660, description="days after its business date in which a sale is attached to another customer"
    )
    clock_tolerance_seconds: int = Field(300, ge=0, le=86_400, description="how far a till's clock may run ahead")
