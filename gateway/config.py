"""Settings of the gateway: the variables SHUKE_GATEWAY_*."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import Address, ServiceSettings


class GatewaySettings(ServiceSettings):
    """What the gateway can be told."""

    prefix = "SHUKE_GATEWAY_"

    port: int = Field(9090, ge=0, le=65535, alias="grpc_port", description="port for gRPC; 0 takes any free one")
    http_port: int = Field(8080, ge=0, le=65535, description="port for HTTP/JSON; 0 takes any free one")
    rate_per_second: int = Field(1000, ge=1, description="calls a second that one key may make for any length of time")
    rate_burst: int = Field(2000, ge=1, description="calls that one key may make at once after a rest")
    receive_seconds: float = Field(
        30.0, gt=0, description="how long the head of an HTTP request may take to arrive, and then its body"
    )
    idle_seconds: float = Field(75.0, gt=0, description="how long an HTTP connection stays open without a request")
    http_connections: int = Field(1000, ge=1, description="HTTP connections at once; beyond them new ones are closed")
    customer_address: Address = Field("127.0.0.1:50051", description="where the customer service answers")
    tiering_address: Address = Field("127.0.0.1:50052", description="where the tiering service answers")
    ticketing_address: Address = Field("127.0.0.1:50053", description="where the ticketing service answers")
    notify_address: Address = Field("127.0.0.1:50054", description="where the notify service answers")
