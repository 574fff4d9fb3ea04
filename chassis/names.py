"""Resource names (AIP-122): a collection and an id, such as `customers/0190...`.

A name tells its type wherever it stands.
"""

from __future__ import annotations


def name(collection: str, identity: str | None) -> str:
    """Build a name; the empty string for no id."""
    return f"{collection}/{identity}" if identity else ""


def identity(resource_name: str) -> str:
    """Answer the last id of a name whose form the contract has checked; the empty string for an empty name."""
    return resource_name.rpartition("/")[2]


def parts(resource_name: str) -> tuple[str, ...]:
    """Answer the ids of a nested name: `schemes/loyalty/members/x` gives `("loyalty", "x")`."""
    return tuple(resource_name.split("/")[1::2])
