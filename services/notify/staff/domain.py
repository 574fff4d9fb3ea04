"""Who serves in a role, and where (N-15)."""

from __future__ import annotations

from dataclasses import dataclass

# Where those serve who work for all stores.
EVERYWHERE = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff as the directory tells it last; stores are codes."""

    code: str
    active: bool
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    chain_wide: bool


@dataclass(frozen=True, slots=True)
class Post:
    """A role that a member serves in at a store, by its code, or for all stores: EVERYWHERE."""

    role: str
    store: str
    code: str


def posts(member: Member) -> list[Post]:
    """List where a member serves, and in which roles; nowhere when inactive."""
    stores = (EVERYWHERE,) if member.chain_wide else member.stores
    return [Post(role, store, member.code) for role in member.roles for store in stores if member.active]
