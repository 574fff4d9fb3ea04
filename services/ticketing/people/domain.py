"""What ticketing knows of people: nothing personal, but who may act, where, and who stands above."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff, as the directory told last.

    Roles and store codes stand in alphabetical order, `stores` is empty for one who is `chain_wide`; the superior is a
    code, or empty.
    """

    code: str
    active: bool
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    chain_wide: bool
    superior: str
