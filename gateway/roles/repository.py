"""Reading and starting the role policy: role -> permission patterns, kept as a versioned document (G-03, G-15)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date

from chassis import documents
from chassis.database import Tx

KIND, KEY = "policies", "roles"

Roles = Mapping[str, tuple[str, ...]]


def roles_on(tx: Tx, day: date) -> Roles:
    """Read the roles in force on a day; none before a policy is active."""
    active = documents.active_on(tx, KIND, KEY, day)
    if active is None:
        return {}
    return {role: tuple(patterns) for role, patterns in json.loads(active.content.payload).items()}


def start_roles(tx: Tx, payload: bytes, staff: str, day: date, now: int) -> None:
    """Put the starter policy in force where there is none yet; further versions pass the usual approval."""
    if documents.find(tx, KIND, KEY, 1) is not None:
        return
    content = documents.Content(payload, day, "Starter roles, an example", example=True)
    drafted = documents.draft(KIND, KEY, 1, content, staff, now)
    documents.add(tx, drafted)
    submitted = documents.submit(drafted, staff, now)
    documents.save(tx, submitted)
    reviewed = documents.review(submitted, staff, now, people=1)
    documents.save(tx, reviewed)
    approved = documents.approve(reviewed, staff, now, people=1)
    documents.save(tx, approved)
    documents.save(tx, documents.activate(approved, None, staff, now, people=1))
