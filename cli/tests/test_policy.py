"""Policies led from a draft into force by the command, and held against the contracts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.groups.policy import KEYS, REJECTABLE, STEPS
from cli.tests.running import Shell, Suite
from gateway.routes import RouteTable
from gateway.tests.contracts import services

EXAMPLE = Path(__file__).parent.parent / "example_policies" / "benefits.json"
# Each step of a policy's life, and the role of the person who takes it.
LIFE = (
    ("submit", "marketing"),
    ("review", "department_manager"),
    ("approve", "centre_director"),
    ("activate", "centre_director"),
    ("retire", "centre_director"),
)
STATES = ["SUBMITTED", "REVIEWED", "APPROVED", "ACTIVE", "RETIRED"]


@pytest.fixture
def people(suite: Suite) -> dict[str, Shell]:
    """Type as the people of an approval, by their roles."""
    return {role: suite.shell.using(suite.key(f"P-{role}", role)) for _, role in LIFE}


def test_a_policy_goes_its_way_step_by_step(people: dict[str, Shell]) -> None:
    """A file becomes a draft; each person takes a step; who may take the next one sees it waiting."""
    author = people["marketing"]
    [_, drafted] = author.rows("policy", "draft", "tiering", "benefits", str(EXAMPLE))
    number = drafted[2]
    assert drafted[:4] == ["tiering", "benefits", number, "DRAFT"]
    states = []
    for verb, role in LIFE:
        [_, row] = people[role].rows("policy", verb, "tiering", "benefits", number)
        states.append(row[3])
        waiting = people["department_manager"].rows("policy", "waiting", "tiering")
        assert (["tiering", "benefits", number] in [one[:3] for one in waiting]) is (verb == "submit")
    assert states == STATES
    assert author.rows("policy", "list", "tiering", "benefits")[1][2:4] == [number, "RETIRED"]
    shown = json.loads(author.type("policy", "show", "tiering", "benefits", number).stdout)
    assert shown["benefits"] == author.json("policy", "show", "tiering", "benefits", number)["benefits"]


def test_a_reviewer_sends_a_draft_back(people: dict[str, Shell]) -> None:
    """Rejected at the review, a version is its author's draft again."""
    author = people["marketing"]
    [_, drafted] = author.rows("policy", "draft", "tiering", "benefits", str(EXAMPLE))
    author.rows("policy", "submit", "tiering", "benefits", drafted[2])
    [_, row] = people["department_manager"].rows("policy", "review", "tiering", "benefits", drafted[2], "--reject")
    assert row[3] == "DRAFT"


def test_a_draft_is_read_from_standard_input(shell: Shell) -> None:
    """The file may be a dash."""
    result = shell.type("policy", "draft", "tiering", "benefits", "-", typed=EXAMPLE.read_text())
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("content", [b"no JSON", b"\xff\xfe", b""])
def test_a_file_that_holds_no_json_is_wrong_usage(shell: Shell, tmp_path: Path, content: bytes) -> None:
    """Such a file is exit code 2 and named, also where errors are asked for as JSON; nothing is drafted."""
    file = tmp_path / "wrong.json"
    file.write_bytes(content)
    words = ("policy", "draft", "tiering", "benefits", str(file))
    before = shell.json("policy", "list", "tiering", "benefits")
    assert str(file) in shell.refused(2, *words)
    assert str(file) in json.loads(shell.refused(2, *words, "--json"))["error"]["message"]
    assert shell.json("policy", "list", "tiering", "benefits") == before


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("draft", "tiering", "benefits", "/nowhere"), 2, "/nowhere"),
        (("draft", "till", "benefits", str(EXAMPLE)), 2, "till"),
        (("submit", "tiering", "benefits", "9999"), 1, "DOCUMENT_NOT_FOUND"),
        (("submit", "tiering", "benefits", "first"), 2, "first"),
        (("show", "tiering", "benefits", "9999"), 1, "DOCUMENT_NOT_FOUND"),
    ],
)
def test_wrong_calls_are_refused(shell: Shell, words: tuple[str, ...], code: int, named: str) -> None:
    """What does not fit is refused with its reason, by the command or by the suite."""
    assert named in shell.refused(code, "policy", *words)


def test_an_author_does_not_review_an_own_draft(shell: Shell) -> None:
    """The suite's rule of several people holds for the command too."""
    [_, drafted] = shell.rows("policy", "draft", "tiering", "benefits", str(EXAMPLE))
    shell.rows("policy", "submit", "tiering", "benefits", drafted[2])
    assert "Error" in shell.refused(1, "policy", "review", "tiering", "benefits", drafted[2])


def test_every_step_of_every_policy_service_is_offered() -> None:
    """The APIs, the steps and what may be rejected are those of the contracts."""
    found = [service for service in services() if service.name == "PolicyService"]
    assert {service.full_name.split(".")[1] for service in found} == set(KEYS)
    table = RouteTable.of(found)
    for api in KEYS:
        name = f"/v1/{api}/policies/benefits/versions/1"
        requests = {verb: table.find("POST", f"{name}:{verb}").route.request for verb in STEPS}
        assert tuple(verb for verb in STEPS if "reject" in requests[verb].DESCRIPTOR.fields_by_name) == REJECTABLE
        steps = {method.name for service in found for method in service.methods if method.name.endswith("Policy")}
        assert {f"{verb.title()}Policy" for verb in STEPS} == steps - {"DraftPolicy", "GetPolicy"}
