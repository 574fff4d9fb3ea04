"""A ticket goes to the first queue that takes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticketing.queues.domain import Queue, QueueCatalogue, find, route

TYPES, SEVERITIES, STORES = ("COMPLAINT", "REPAIR"), ("HIGH", "NORMAL"), ("LONDON", "LEEDS")
CLASSES = ("loyalty:GOLD", "value:A")


def queue(
    code: str = "any",
    *,
    types: frozenset[str] = frozenset(),
    severities: frozenset[str] = frozenset(),
    stores: frozenset[str] = frozenset(),
    classes: frozenset[str] = frozenset(),
) -> Queue:
    """Write a queue that takes all tickets but for what is given."""
    return Queue(code, "甲", "A", types, severities, stores, classes, "V-0001")


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    """Draw some values, or none, which means all."""
    return st.frozensets(st.sampled_from(values))


QUEUES = st.builds(queue, types=some(TYPES), severities=some(SEVERITIES), stores=some(STORES), classes=some(CLASSES))


@pytest.mark.requirement("K-52")
def test_type_severity_store_and_class_choose_the_queue() -> None:
    """A queue takes what fits all that it names; a ticket of no store goes to a queue for all stores, or to none."""
    keys = queue("keys", types=frozenset({"COMPLAINT"}), classes=frozenset({"value:A", "value:B"}))
    leeds = queue("leeds", types=frozenset({"COMPLAINT"}), stores=frozenset({"LEEDS"}))
    high = queue("high", severities=frozenset({"HIGH"}))

    def code(type_: str, store: str, *classes: str, severity: str = "NORMAL") -> str:
        catalogue = QueueCatalogue((keys, leeds, high))
        found = route(catalogue, type_=type_, severity=severity, store=store, classes=classes)
        return found.code if found else ""

    assert code("COMPLAINT", "LEEDS", "loyalty:GOLD", "value:A") == "keys"
    assert code("COMPLAINT", "LEEDS") == "leeds"
    assert code("COMPLAINT", "LONDON", severity="HIGH") == "high"
    assert code("COMPLAINT", "") == ""
    assert code("REPAIR", "LEEDS", "value:A") == ""
    assert code("REPAIR", "", severity="HIGH") == "high"


@given(
    queues=st.lists(QUEUES, max_size=5),
    later=st.lists(QUEUES, max_size=3),
    type_=st.sampled_from(TYPES),
    severity=st.sampled_from(SEVERITIES),
    store=st.sampled_from((*STORES, "")),
    classes=some(CLASSES),
)
def test_the_first_queue_that_takes_a_ticket_gets_it(
    queues: list[Queue], later: list[Queue], type_: str, severity: str, store: str, classes: frozenset[str]
) -> None:
    """No queue before the one that is found takes the ticket by itself, and none that stands later changes anything."""

    def take(*among: Queue) -> Queue | None:
        return route(QueueCatalogue(among), type_=type_, severity=severity, store=store, classes=classes)

    alone = [one for one in queues if take(one) is not None]
    found = take(*queues)
    assert found is (alone[0] if alone else None)
    if found:
        assert take(*queues, *later) is found
    assert take(*queues, queue("any")) is not None


def test_a_queue_is_found_by_its_code() -> None:
    """A code leads to its queue, and one that the catalogue lacks to none."""
    catalogue = QueueCatalogue((queue("a"), queue("b")))
    assert find(catalogue, "b") is catalogue.queues[1]
    assert find(catalogue, "c") is None
