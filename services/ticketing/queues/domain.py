"""The catalogue of queues, and which of them takes a ticket (K-15, K-26, K-46, K-52)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queue:
    """A department and the tickets that it takes; an empty set takes all, one class of a customer is enough.

    Types and severities are the contract's words, stores are codes, a class is "scheme:CLASS". `lead` is a staff code,
    or empty.
    """

    code: str
    zh: str
    en: str
    types: frozenset[str]
    severities: frozenset[str]
    stores: frozenset[str]
    classes: frozenset[str]
    lead: str


@dataclass(frozen=True, slots=True)
class QueueCatalogue:
    """The queues in the order in which they are tried."""

    queues: tuple[Queue, ...]


def route(
    catalogue: QueueCatalogue, *, type_: str, severity: str, store: str, classes: Collection[str]
) -> Queue | None:
    """Find the first queue that takes a ticket; `store` is empty for a ticket of the chain as a whole."""
    return next(
        (
            queue
            for queue in catalogue.queues
            if (not queue.types or type_ in queue.types)
            and (not queue.severities or severity in queue.severities)
            and (not queue.stores or store in queue.stores)
            and (not queue.classes or not queue.classes.isdisjoint(classes))
        ),
        None,
    )


def find(catalogue: QueueCatalogue, code: str) -> Queue | None:
    """Find a queue by its code."""
    return next((queue for queue in catalogue.queues if queue.code == code), None)
