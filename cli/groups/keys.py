"""`shuke keys`: the API keys with which tills, systems and staff call the suite."""

from __future__ import annotations

import datetime as dt

import click

from cli.api import Json
from cli.caller import DAY, Caller, calling, paged
from cli.sheets import Sheet, joined, moment
from shuke.gateway.v1.gateway_pb2 import ApiKey

# What the contract offers but the first value, which says that none was stated.
KIND = click.Choice(ApiKey.Kind.keys()[1:], case_sensitive=False)
STATE = click.Choice(ApiKey.State.keys()[1:], case_sensitive=False)


@click.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command()
@click.argument("kind", type=KIND)
@click.option("--role", "roles", multiple=True, required=True, help="A role that the key has; may be given again.")
@click.option(
    "--store", "stores", multiple=True, help="Code of a store that it acts for, * for all; may be given again."
)
@click.option("--staff", help="Staff code of whom a key of kind STAFF belongs to.")
@click.option("--display-name", help="What the key is called; no personal data.")
@click.option("--purpose", help="Why it reads personal data, where a call does not say, such as SERVICE_DESK.")
@click.option("--expires", type=DAY, help="The day, here, at whose start it expires; in a year by default.")
@calling
def create(
    caller: Caller,
    *,
    kind: str,
    roles: tuple[str, ...],
    stores: tuple[str, ...],
    staff: str | None,
    display_name: str | None,
    purpose: str | None,
    expires: dt.datetime | None,
) -> None:
    """Make a key and write its token, which is told this once, on standard output.

    So a shell keeps it: TOKEN=$(shuke keys create till --role till --store LEEDS).
    """
    wanted = {
        "kind": kind,
        "roles": roles,
        "stores": stores,
        "staff": staff,
        "displayName": display_name,
        "purpose": purpose,
        "expireTime": expires.astimezone().isoformat() if expires else None,
    }
    # A key has no request id, so that a call which is tried again could make two.
    answer = caller.once("/v1/apiKeys", {"apiKey": {name: value for name, value in wanted.items() if value}})
    caller.answer(answer)
    if not caller.as_json:
        click.echo(answer["token"])
    made = answer["apiKey"]
    click.echo(f"{made['name']} opens until {made['expireTime']}; its token is not told again", err=True)


@keys.command("list")
@click.option("--kind", type=KIND, help="Only keys of this kind.")
@click.option("--state", type=STATE, help="Only keys in this state.")
@paged
@calling
def list_keys(
    caller: Caller, kind: str | None, state: str | None, page_size: int | None, page_token: str | None
) -> None:
    """List keys in the order in which they were made, never their tokens."""
    answer = caller.get("/v1/apiKeys", kind=kind, state=state, pageSize=page_size, pageToken=page_token)
    caller.answer(answer, _sheet(answer["apiKeys"]))


@keys.command()
@click.argument("name")
@calling
def revoke(caller: Caller, name: str) -> None:
    """Take the key NAME away for good: it opens nothing any more within five seconds."""
    answer = caller.post(f"/v1/{name}:revoke", {})
    caller.answer(answer, _sheet([answer]))


def _sheet(found: list[Json]) -> Sheet:
    return Sheet(
        "API keys",
        ("name", "kind", "state", "roles", "stores", "staff", "expires", "called"),
        [
            (
                key["name"],
                key["kind"],
                key["state"],
                joined(key["roles"]),
                joined(key["stores"]),
                key["staff"],
                moment(key["expireTime"]),
                key["displayName"],
            )
            for key in found
        ],
    )
