"""Write the tables of settings into `docs/operations.md`, from the classes that read them."""

from __future__ import annotations

import argparse
import sys
from typing import Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from chassis.settings import Chain, SealingSettings, ServiceSettings, Settings, Suite
from gateway.config import GatewaySettings
from services.customer.config import CustomerSettings
from services.notify.config import NotifySettings
from services.ticketing.config import TicketingSettings
from services.tiering.config import TieringSettings
from tools.gen import ROOT

PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"
SERVICES = (CustomerSettings, TieringSettings, TicketingSettings, NotifySettings, GatewaySettings)
HEAD = "| variable | default | what it is |\n|---|---|---|\n"
BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}", "pattern": "as `{}`"}


def main(arguments: list[str] | None = None) -> int:
    """Write the tables, or with --check only tell whether they are up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.settings", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the tables are out of date")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    fresh = before + BEGIN + tables() + END + rest.partition(END)[2]
    if parser.parse_args(arguments).check:
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


def tables() -> str:
    """Write a table of what all share, and one of each service's own settings."""
    shared = [*rows(Suite), *rows(Chain)]
    each = [row for row in rows(ServiceSettings, "SHUKE_<SERVICE>_") if "_PORT`" not in row]  # each names its own
    sealing = rows(SealingSettings, "SHUKE_<SERVICE>_", known=ServiceSettings)
    parts = [
        ("All processes", shared),
        ("Every service and the gateway", each),
        ("The services that keep personal data: customer, ticketing, notify", sealing),
        *((service.prefix.split("_")[1].capitalize(), rows(service, known=SealingSettings)) for service in SERVICES),
    ]
    return "\n".join(f"### {title}\n\n{HEAD}{''.join(lines)}" for title, lines in parts)


def rows(settings: type[Settings], prefix: str = "", known: type[Settings] = Settings) -> list[str]:
    """Write a row of each setting that is not `known` alike."""
    common = known.model_fields
    return [
        f"| `{prefix or settings.prefix}{(field.alias or name).upper()}` | {default(field)} | {meaning(field)} |\n"
        for name, field in settings.model_fields.items()
        if name not in common or (field.alias, field.default) != (common[name].alias, common[name].default)
    ]


def default(field: FieldInfo) -> str:
    """Write what counts when a setting is not given."""
    if field.is_required():
        return "must be given"
    if field.annotation is SecretStr or field.default == "":
        return "none"
    return f"`{field.default}`"


def meaning(field: FieldInfo) -> str:
    """Write what a setting is, and which values it takes."""
    if get_origin(field.annotation) is Literal:
        bounds = ["one of " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation))]
    else:
        found = ((form, getattr(rule, name, None)) for rule in field.metadata for name, form in BOUNDS.items())
        bounds = [form.format(value) for form, value in found if value is not None]
    secret = ["secret"] if field.annotation is SecretStr else []
    told = "; ".join(part for part in (str(field.description), " ".join(bounds), *secret) if part)
    return told.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
