"""API keys between the contract and the domain."""

from __future__ import annotations

from chassis import names, wire
from gateway.apikeys.domain import ApiKey, Draft, Kind
from shuke.gateway.v1 import gateway_pb2 as pb


def draft_from_proto(key: pb.ApiKey) -> Draft:
    """Read a key that is asked for."""
    return Draft(
        kind=Kind(pb.ApiKey.Kind.Name(key.kind)),
        display_name=key.display_name,
        roles=tuple(dict.fromkeys(key.roles)),
        stores=tuple(dict.fromkeys(key.stores)),
        staff=key.staff,
        expire_time=wire.instant(key.expire_time) if key.HasField("expire_time") else None,
        purpose=key.purpose,
    )


def key_to_proto(key: ApiKey) -> pb.ApiKey:
    """Write an issued key."""
    return pb.ApiKey(
        name=names.name("apiKeys", key.id),
        kind=pb.ApiKey.Kind.Value(key.kind),
        display_name=key.display_name,
        roles=key.roles,
        stores=key.stores,
        staff=key.staff,
        expire_time=wire.timestamp(key.expire_time),
        create_time=wire.timestamp(key.create_time),
        purpose=key.purpose,
    )
