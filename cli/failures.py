"""How a command fails: with an exit code that says what kind of failure it is, and with a text that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import IO, Any, ParamSpec

import click
import httpx2

from cli.api import RETRIED, ApiError

P = ParamSpec("P")

REFUSED, USAGE, AWAY, PARTLY, INTERRUPTED = 1, 2, 3, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    done
  1    refused by the suite; the reason stands on standard error
  2    wrong usage
  3    the suite is not reached, or cannot answer at present
  4    partly done: some of what was sent was refused
  130  interrupted"""


class Problem(Exception):
    """Something that keeps a command from its work; the text says what, and what to do."""


class Failure(click.ClickException):
    """The end of a command: an exit code, a text for people, and the error as the API told it, or in its form."""

    def __init__(self, exit_code: int, text: str, error: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance
        self.error = error or {"message": text}
        self.as_json = bool(click.get_current_context().params.get("as_json"))

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it on standard error: one line, or one JSON document where the command was asked for JSON."""
        if self.as_json:
            click.echo(json.dumps({"error": self.error}, ensure_ascii=False), file=file, err=True)
        elif self.exit_code == INTERRUPTED:
            # Whoever pressed Ctrl-C got what they wanted.
            click.echo(self.message, file=file, err=True)
        else:
            super().show(file)


def plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what goes wrong in a command into a `Failure`."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ApiError as refused:
            code = AWAY if refused.status in RETRIED else REFUSED
            raise Failure(code, str(refused), refused.error) from refused
        except httpx2.HTTPError as away:
            url = away.request.url
            raise Failure(
                AWAY, f"{url.scheme}://{url.netloc.decode()}: {away}. Does the suite run there (`shuke up`, --url)?"
            ) from away
        except click.UsageError as wrong:
            raise Failure(USAGE, wrong.format_message()) from wrong
        except BrokenPipeError:
            # Nobody reads on; click ends quietly.
            raise
        except (Problem, OSError) as problem:
            raise Failure(REFUSED, str(problem)) from problem
        except KeyboardInterrupt:
            raise Failure(INTERRUPTED, "interrupted") from None

    return run
