"""The trace reads what the tests claim, and refuses what cannot be true."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tools import trace

CLAIMS = """
import pytest

pytestmark = pytest.mark.requirement("C-01")

@pytest.mark.requirement("C-02", "C-03")
def test_plain(): ...

@pytest.mark.requirement("C-04")
class TestGroup:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.requirement("C-05")), 2])
    async def test_inside(self, x): ...

def arrange(): ...
"""


def read(source: str) -> list[trace.Claim]:
    """Read the claims of a module that was written here."""
    return list(trace.claims_in(ast.parse(source), "tests/test_x.py", ()))


def test_the_page_holds_all_rules_and_decisions() -> None:
    """Nothing was lost from the requirements: 326 rules and 44 decisions."""
    ids = trace.requirement_ids(trace.REQUIREMENTS.read_text(encoding="utf-8"))
    counts = Counter(trace.prefix_of(name) for name in ids)
    assert set("CTKNGRX") == set(counts)
    assert (len(ids) - counts["X"], counts["X"]) == (326, 44)


def test_marks_are_read_wherever_pytest_takes_them() -> None:
    """Marks on a module, a class, a function and a parameter all count for the tests they hold for."""
    assert {
        trace.Claim("C-01", "tests/test_x.py::test_plain"),
        trace.Claim("C-02", "tests/test_x.py::test_plain"),
        trace.Claim("C-03", "tests/test_x.py::test_plain"),
        trace.Claim("C-01", "tests/test_x.py::TestGroup::test_inside"),
        trace.Claim("C-04", "tests/test_x.py::TestGroup::test_inside"),
        trace.Claim("C-05", "tests/test_x.py::TestGroup::test_inside"),
    } == set(read(CLAIMS))


def test_an_unknown_requirement_fails_and_is_named() -> None:
    """A claim on an id that the page does not hold stops the trace and says where it stands."""
    claims = read('@pytest.mark.requirement("C-999")\ndef test_planted(): ...')
    with pytest.raises(trace.TraceError, match=r"C-999 in tests/test_x\.py::test_planted"):
        trace.trace(["C-01"], claims)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("@pytest.mark.requirement(ID)\ndef test_x(): ...", "plain strings"),
        ('@pytest.mark.requirement("C-01")\ndef arrange(): ...', "no test"),
    ],
)
def test_a_mark_that_proves_nothing_is_refused(source: str, said: str) -> None:
    """A mark that cannot be read, or that stands on no test, is an error and not silence."""
    with pytest.raises(trace.TraceError, match=said):
        read(source)


def test_an_id_that_stands_twice_is_refused() -> None:
    """Two rules may not share an id, or a proof of one would pass for a proof of the other."""
    with pytest.raises(trace.TraceError, match="C-01"):
        trace.requirement_ids("- **C-01** one\n- **C-01** another\n")


def test_the_summary_tells_proved_and_unproved() -> None:
    """The page that `make trace` prints counts both kinds per prefix."""
    text = trace.summary({"C-01": ["tests/test_x.py::test_plain"], "C-02": [], "K-01": []})
    assert "C: 1 of 2 proved" in text
    assert "not proved: C-02" in text
    assert "K: 0 of 1 proved" in text
    assert text.endswith("all: 1 of 3 proved")


def test_every_claim_of_the_suite_names_a_requirement() -> None:
    """The marks in this repository name ids that exist."""
    ids = trace.requirement_ids(trace.REQUIREMENTS.read_text(encoding="utf-8"))
    claims = [claim for folder in trace.TEST_FOLDERS for claim in trace.claims_under(trace.ROOT / folder, trace.ROOT)]
    assert len(ids) == len(trace.trace(ids, claims))
