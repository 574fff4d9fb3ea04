"""API keys between the contract and the domain."""

from __future__ import annotations

from chassis import wire
from gateway.apikeys.domain import ApiKey, Draft, Kind, State
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


def filter_from_proto(request: pb.ListApiKeysRequest) -> tuple[Kind | None, State | None]:
    """Read of which kind and in which state keys are asked for; None for all."""
    kind = Kind(pb.ApiKey.Kind.Name(request.kind)) if request.kind else None
    state = State(pb.ApiKey.State.Name(request.state)) if request.state else None
    return kind, state


def key_to_proto(key: ApiKey, now: int) -> pb.ApiKey:
    """Write an issued key as it is at a time."""
    return pb.ApiKey(
        name=key.name,
        kind=pb.ApiKey.Kind.Value(key.kind),
        display_name=key.display_name,
        roles=key.roles,
        stores=key.stores,
        staff=key.staff,
        expire_time=wire.timestamp(key.expire_time),
        create_time=wire.timestamp(key.create_time),
        purpose=key.purpose,
        state=pb.ApiKey.State.Value(key.state(now)),
        revoke_time=wire.timestamp(key.revoke_time),
    )
