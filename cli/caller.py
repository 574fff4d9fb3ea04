"""What every command that calls a running suite shares: where the suite answers, with which key, and in which form."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec
from urllib.parse import quote

import click
import httpx2

from cli.api import Api, Json
from cli.failures import plainly
from cli.sheets import Sheet, show

P = ParamSpec("P")

DEFAULT_HOME = Path(".shuke")
DEFAULT_URL = "http://127.0.0.1:8080"
# Somebody waits at the keyboard: less than two seconds until a suite that does not answer is given up.
TRIES = 4
VISIBLE = re.compile(r"[!-~]+")


class Written(click.DateTime):
    """A day or a time, which help shows as people write it."""

    def __init__(self, shown: str, *formats: str) -> None:
        super().__init__(formats)
        self.shown = shown

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002  (click's arguments)
        """Answer what stands in help."""
        return self.shown


DAY = Written("YYYY-MM-DD", "%Y-%m-%d")
TIME = Written("'YYYY-MM-DD HH:MM'", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls the suite with one key, and shows what it answers."""

    api: Api
    token: str
    as_json: bool

    def get(self, path: str, **query: str | int | Sequence[str] | None) -> Any:  # noqa: ANN401  (JSON)
        """Read; parameters that are empty are left out."""
        return self.api.get(_quoted(path), self.token, **{name: value for name, value in query.items() if value})

    def post(self, path: str, body: Json, **headers: str) -> Any:  # noqa: ANN401  (JSON)
        """Act, under an id of the call's own, so that trying it again does not do it twice."""
        return self.api.post(_quoted(path), body, self.token, {"idempotency-key": secrets.token_hex(16), **headers})

    def once(self, path: str, body: Json) -> Any:  # noqa: ANN401  (JSON)
        """Act where trying again could do it twice: what fails is told at once."""
        with closing(Api(str(self.api.client.base_url), tries=1)) as api:
            return api.post(path, body, self.token)

    def answer(self, answer: Json, *sheets: Sheet) -> None:
        """Show an answer on standard output: as the API gave it where JSON was asked for, else as sheets."""
        if self.as_json:
            click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            for sheet in sheets:
                show(sheet)
            if more := answer.get("nextPageToken"):
                click.echo(f"more: the same with --page-token {more}", err=True)


def addressed(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command the options by which it finds the suite: `url` and `token`."""
    url = click.option(
        "--url",
        envvar="SHUKE_URL",
        show_envvar=True,
        default=DEFAULT_URL,
        show_default=True,
        callback=_read_url,
        help="Where the gateway answers HTTP.",
    )
    token = click.option(
        "--token",
        envvar="SHUKE_TOKEN",
        show_envvar=True,
        callback=_read_token,
        help="API key; by default the first administrator's, of the suite on SHUKE_HOME.",
    )
    return url(token(command))


def calling(command: Callable[Concatenate[Caller, P], None]) -> Callable[..., None]:
    """Give a command the options by which it calls the suite; its first argument becomes the caller."""

    @addressed
    @click.option("--json", "as_json", is_flag=True, help="Show the API's answer as it is, one JSON document.")
    @plainly
    @wraps(command)
    def run(url: str, token: str, as_json: bool, *args: P.args, **kwargs: P.kwargs) -> None:  # noqa: FBT001  (click's)
        with closing(Api(url, TRIES)) as api:
            command(Caller(api, token, as_json), *args, **kwargs)

    return run


def paged(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command that lists something the options `page_size` and `page_token` of the API."""
    size = click.option("--page-size", type=click.IntRange(1, 200), help="How many to show at once; 50 by default.")
    token = click.option("--page-token", help="Go on where an answer before ended.")
    return size(token(command))


def home() -> Path:
    """Answer the folder of the suite on this machine."""
    return Path(os.environ.get("SHUKE_HOME", DEFAULT_HOME))


def _read_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        url = httpx2.URL(value)
    except httpx2.InvalidURL as error:
        raise click.BadParameter(str(error)) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise click.BadParameter(f"{value} is no address such as {DEFAULT_URL}")
    return value


def _read_token(context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    if context.params.get("dry_run"):
        return ""  # nothing is sent
    key = home() / "admin.token"
    try:
        token = (value or key.read_text(encoding="utf-8")).strip()
    except (OSError, ValueError):
        raise click.UsageError(
            f"there is no API key: name one by --token or SHUKE_TOKEN, for {key} of a suite here cannot be read"
        ) from None
    if not VISIBLE.fullmatch(token):
        raise click.BadParameter("an API key is made of visible ASCII characters")
    return token


def _quoted(path: str) -> str:
    """Write a path so that a name in it, whatever it holds, stays one."""
    return quote(path, safe="/:")
