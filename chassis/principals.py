"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from chassis.errors import Forbidden

ALL_STORES = ("*",)


class PermissionMissing(Forbidden):
    """No role of the caller covers the permission."""

    reason = "PERMISSION_MISSING"


class StoreForeign(Forbidden):
    """The caller may not act for this store."""

    reason = "STORE_FOREIGN"


class StaffRequired(Forbidden):
    """The step must be taken by a member of staff with a staff key."""

    reason = "STAFF_REQUIRED"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: name, permission patterns, stores, the staff code of a staff key, the operator it names.

    `purpose` is why it reads personal data where a call does not say.
    """

    name: str
    permissions: tuple[str, ...]
    stores: tuple[str, ...] = ()
    staff: str = ""
    operator: str = ""
    purpose: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether a pattern covers the permission."""
        return covers(self.permissions, permission)

    def require(self, permission: str) -> None:
        """Raise unless a pattern covers the permission."""
        if not self.may(permission):
            raise PermissionMissing(permission=permission)

    def require_store(self, store: str) -> None:
        """Raise unless the caller may act for the store."""
        if self.stores != ALL_STORES and store not in self.stores:
            raise StoreForeign(store=store)

    def require_staff(self) -> str:
        """Answer the staff code of a staff key, or raise."""
        if not self.staff:
            raise StaffRequired
        return self.staff


@lru_cache(maxsize=4096)
def covers(patterns: tuple[str, ...], permission: str) -> bool:
    """Tell whether a pattern covers a permission: `customer.purchases.*` covers all below it, `*` everything."""
    return any(
        pattern in ("*", permission) or (pattern.endswith(".*") and permission.startswith(pattern[:-1]))
        for pattern in patterns
    )
