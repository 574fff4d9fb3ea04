"""`shuke policy`: what the chain decides on, from a draft to its retirement, in every API that has policies."""

from __future__ import annotations

import json
from typing import IO

import click

from cli.api import Json
from cli.caller import Caller, calling, paged
from cli.dates import text_of
from cli.sheets import Cell, Sheet, moment

# The steps of a version's life, and what each does.
STEPS = {
    "submit": "Hand a draft in for review.",
    "review": "Say that a version was reviewed; by somebody other than its author.",
    "approve": "Approve a reviewed version; by a third person.",
    "activate": "Put an approved version in force, from its effective date on.",
    "retire": "Take a version out of use.",
}
# Where a version may be sent back to its author instead.
REJECTABLE = ("review", "approve")

# The keys that mean something to their API; a scheme of tiering and a rule of notify may have any other.
KEYS = {
    "customer": ("notice",),
    "tiering": ("loyalty", "benefits"),
    "ticketing": ("sla", "priority", "queues", "closing", "follow-up"),
    "notify": (),
}


def _keys(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [key for key in KEYS.get(context.params.get("api", ""), ()) if key.startswith(begun)]


api_argument = click.argument("api", type=click.Choice(tuple(KEYS)))
key_argument = click.argument("key", shell_complete=_keys)


@click.group()
def policy() -> None:
    """Lead policies from a draft into force, each step by a person of its own.

    A policy is named by its API, its key and the number of its version: tiering loyalty 3.
    """


@policy.command()
@api_argument
@key_argument
@click.argument("file", type=click.File(encoding="utf-8"))
@calling
def draft(caller: Caller, api: str, key: str, file: IO[str]) -> None:
    """Draft a new version of KEY from a JSON FILE (- for standard input), such as those in cli/example_policies."""
    try:
        content = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"{file.name} holds no JSON: {error}", param_hint="FILE") from error
    answer = caller.post(f"/v1/{api}/policies/{key}/versions", {"policy": content})
    caller.answer(answer, _sheet(api, [answer]))


def _step(verb: str, help_text: str) -> click.Command:
    def take(caller: Caller, api: str, key: str, version: int, *, reject: bool = False) -> None:
        body = {"reject": True} if reject else {}
        answer = caller.post(f"/v1/{api}/policies/{key}/versions/{version}:{verb}", body)
        caller.answer(answer, _sheet(api, [answer]))

    take.__doc__ = help_text
    command = calling(take)
    if verb in REJECTABLE:
        command = click.option("--reject", is_flag=True, help="Send it back to its author instead.")(command)
    return policy.command(verb)(_version(command))


def _version(command: click.decorators.FC) -> click.decorators.FC:
    number = click.argument("version", type=click.IntRange(1))
    return api_argument(key_argument(number(command)))


for _verb, _help in STEPS.items():
    _step(_verb, _help)


@policy.command("list")
@api_argument
@key_argument
@paged
@calling
def list_versions(caller: Caller, api: str, key: str, page_size: int | None, page_token: str | None) -> None:
    """List the versions of KEY, the newest first."""
    answer = caller.get(f"/v1/{api}/policies/{key}/versions", pageSize=page_size, pageToken=page_token)
    caller.answer(answer, _sheet(api, answer["policies"]))


@policy.command()
@_version
@calling
def show(caller: Caller, api: str, key: str, version: int) -> None:
    """Show a version with all that it holds, as JSON."""
    click.echo(json.dumps(caller.get(f"/v1/{api}/policies/{key}/versions/{version}"), ensure_ascii=False, indent=2))


@policy.command()
@api_argument
@paged
@calling
def waiting(caller: Caller, api: str, page_size: int | None, page_token: str | None) -> None:
    """List the versions that wait for a step that you may take, the oldest first."""
    answer = caller.get(f"/v1/{api}/approvals", pageSize=page_size, pageToken=page_token)
    caller.answer(answer, _sheet(api, answer["policies"]))


def _sheet(api: str, versions: list[Json]) -> Sheet:
    headings = ("api", "key", "version", "state", "effective", "author", "reviewer", "approver", "updated")
    return Sheet("policies", headings, [_row(api, version) for version in versions])


def _row(api: str, version: Json) -> tuple[Cell, ...]:
    _, key, _, number = version["name"].split("/")
    people = (version["author"], version["reviewer"], version["approver"])
    effective = text_of(version["effectiveDate"])
    return api, key, number, version["state"], effective, *people, moment(version["updateTime"])
