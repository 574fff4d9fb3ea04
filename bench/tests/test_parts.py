"""The other parts of the measure, each as small as it can be: all that they tell is there and makes sense."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from bench import evaluation, freshness, replicas, suite
from bench.targets import MOST
from cli.progress import Bar

quietly = partial(Bar, Console(file=io.StringIO()))


@pytest.mark.timeout(180)
def test_an_evaluation_is_held_against_bare_sql(tmp_path: Path) -> None:
    """Both ways find the same, or the part fails; ratio, growth and memory are told, each with a target."""
    size = evaluation.Size(few=50, many=200, rounds=1)
    told = dict(evaluation.measure(size, tmp_path, quietly))
    assert told.keys() == {f"evaluation{part}.postgresql" for part in ("", ".growth", ".memory")}
    assert told.keys() <= MOST.keys()
    ratio = told["evaluation.postgresql"]
    assert ratio.value == pytest.approx(ratio.beside["ours_s"] / ratio.beside["bare_s"])
    assert told["evaluation.memory.postgresql"].value > 10


@pytest.mark.timeout(180)
def test_both_replicas_take_their_share(tmp_path: Path) -> None:
    """The same callers are served by one replica and by two, and each of the two then answers some calls."""
    size = replicas.Size(rounds=1, warm_up=0, calls=64, customers=4)
    told = dict(replicas.measure(size, tmp_path, quietly))["replicas.postgresql"]
    assert told.value > 0
    assert told.beside["share_1"] + told.beside["share_2"] == 1
    assert 0.2 < told.beside["share_2"] < 0.8


@pytest.mark.whole
@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["feed", "nats"])
def test_freshness_is_measured_in_the_suite(transport: str, tmp_path: Path) -> None:
    """The suite starts, tills sell, every new customer's class is seen; start, freshness and memory are told."""
    size = freshness.Size(rate=40, customers=8, every=2)
    told = dict(suite.measure(transport, size, tmp_path, quietly))
    fresh = told[f"freshness.{transport}"]
    assert fresh.beside["refused"] == 0
    assert 0 < fresh.beside["median_s"] <= fresh.value <= fresh.beside["most_s"]
    memory = told[f"memory.{transport}"].beside
    assert memory.keys() == {"customer", "tiering", "ticketing", "notify", "gateway"} | ({"nats"} & {transport})
    assert all(mebibytes > 1 for mebibytes in memory.values())
    assert told[f"start.{transport}"].value > 0
