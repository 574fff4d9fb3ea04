"""`python -m cli`: the `shuke` command."""

from __future__ import annotations

from cli.commands import shuke

if __name__ == "__main__":
    shuke(prog_name="shuke")
