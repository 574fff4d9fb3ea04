"""`shuke completion`: what a shell needs to complete the command's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write the script with which SHELL completes this command.

    For bash: shuke completion bash > ~/.local/share/bash-completion/completions/shuke
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101  (click knows each of them)
    root = context.find_root()
    click.echo(made(root.command, {}, "shuke", "_SHUKE_COMPLETE").source())
