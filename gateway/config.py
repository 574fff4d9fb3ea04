"""Settings of the gateway: the variables SHUKE_GATEWAY_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What the gateway can be told."""

    prefix = "SHUKE_GATEWAY_"

    port: int = Field(9090, ge=0, le=65535, alias="grpc_port", description="port for gRPC; 0 takes any free one")
    http_port: int = Field(8080, ge=0, le=65535, description="port for HTTP/JSON; 0 takes any free one")
    customer_address: str = Field("127.0.0.1:50051", description="where the customer service answers")
    tiering_address: str = Field("127.0.0.1:50052", description="where the tiering service answers")
    ticketing_address: str = Field("127.0.0.1:50053", description="where the ticketing service answers")
    notify_address: str = Field("127.0.0.1:50054", description="where the notify service answers")
