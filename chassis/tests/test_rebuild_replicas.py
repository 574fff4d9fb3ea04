"""Rebuilds where several processes listen: one builds, the others leave it alone, and no event is taken twice."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from chassis.events import partition_of
from chassis.rebuild import FIRST
from chassis.tests.rebuilding import Adder, Meanwhile, ask

# Names of three partitions.
ANNA, BERT, CARL = "anna", "bert", "carl"


def test_a_rebuild_waits_where_another_process_went_on_meanwhile(adder: Adder) -> None:
    """What the live listener applied while the rebuild was reading is neither lost nor applied again."""
    adder.owner.tell(carl=3)
    adder.settle()
    adder.told()
    listener, other = adder.listener(), adder.listener()
    ask(listener)
    listener.step()

    def meanwhile() -> None:
        adder.owner.tell(carl=30)
        other.consumer.poll(adder.owner)

    listener.feed = Meanwhile(adder.owner, [lambda: None, meanwhile])
    adder.settle(listener)
    assert adder.totals() == {CARL: 33}
    assert adder.told() == [(CARL, 30)]


@pytest.mark.requirement("C-15")
def test_while_one_process_rebuilds_the_others_rest(adder: Adder) -> None:
    """A rebuild ends however fast events come in the others' partitions, which they leave to it until then."""
    adder.owner.tell(anna=1, bert=2, carl=3)
    adder.settle()
    adder.told()
    listener, other = adder.listener(), adder.listener()
    others = {partition_of(CARL)}
    assert FIRST not in others
    ask(listener)
    rested = []

    def meanwhile() -> None:
        adder.owner.tell(carl=10)
        rested.append(other.step(others))

    # It reads theirs as well.
    adder.owner.tell(carl=5)
    listener.step({FIRST})
    assert adder.told() == [(CARL, 5)]
    listener.feed = Meanwhile(adder.owner, [meanwhile] * 100)
    with capture_logs() as logs:
        while not logs:
            listener.step({FIRST})
    assert [line["event"] for line in logs] == ["projection rebuilt"]
    assert set(rested) == {0}
    assert len(rested) < 10
    assert other.step(others)
    assert adder.totals() == {ANNA: 1, BERT: 2, CARL: 8 + 10 * len(rested)}
    assert adder.told() == [(CARL, 10)] * len(rested)


def test_who_has_a_share_reads_no_other_partition(adder: Adder) -> None:
    """Events of partitions that are another process's wait for it."""
    adder.owner.tell(anna=1, bert=2, carl=3)
    listener = adder.listener()
    assert listener.step({partition_of(ANNA), partition_of(CARL)}) == 2
    assert listener.step({partition_of(ANNA), partition_of(CARL)}) == 0
    assert adder.totals() == {ANNA: 1, CARL: 3}
    assert listener.step({partition_of(BERT)}) == 1
    assert adder.totals() == {ANNA: 1, BERT: 2, CARL: 3}


def test_where_another_process_went_over_first_nothing_is_built_again(adder: Adder) -> None:
    """Who learns of an epoch in which the cursors stand already has nothing to do."""
    adder.owner.tell(anna=1)
    adder.owner.tell(anna=10)
    adder.settle()
    adder.owner.restore(1)
    adder.owner.tell(anna=100)
    adder.told()
    listener = adder.listener()
    listener.feed = Meanwhile(adder.owner, [adder.settle])
    with capture_logs() as logs:
        adder.settle(listener)
    assert [line["event"] for line in logs] == ["projection stale", "projection rebuilt"]
    assert adder.told() == [(ANNA, 100)]
