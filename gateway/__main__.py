"""`python -m gateway serve | migrate | check-config | bootstrap-admin`."""

from pathlib import Path

import click

from chassis.calendar import day_of
from chassis.clock import system_clock
from chassis.database import Database, Tx
from chassis.ids import uuid7
from chassis.service import commands, main
from chassis.settings import Chain
from gateway.apikeys import repository
from gateway.apikeys.domain import Draft, Kind, digest, issue
from gateway.config import GatewaySettings
from gateway.roles.repository import start_roles
from gateway.server import PROGRAM, new_token

STARTER_ROLES = Path(__file__).parent / "starter" / "roles.json"
FIRST_ADMIN = "first-administrator"

cli = commands(PROGRAM)


@cli.command("bootstrap-admin", help="Make the first administrator's key, while there is no key at all.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that holds the token to give to the key; without it a token is made and printed.",
)
def bootstrap_admin(token_file: Path | None) -> None:
    """Make the first key. Saying it again with the same token file changes nothing; with another one it is refused."""
    config, chain = GatewaySettings.read(), Chain.read()
    database = Database(config.database_url.get_secret_value(), pool_size=1)
    now, token = system_clock(), token_file.read_text().strip() if token_file else new_token()

    def work(tx: Tx) -> bool:
        if repository.any_key(tx):
            return repository.by_digest(tx, digest(token)) is not None
        start_roles(tx, STARTER_ROLES.read_bytes(), FIRST_ADMIN, day_of(0, chain.zone_info), now)
        draft = Draft(Kind.STAFF, "First administrator", ("administrator",), ("*",), FIRST_ADMIN, None)
        repository.add(tx, issue(draft, token, now=now, new_id=uuid7(system_clock)()))
        return True

    made = database.transact(work)
    database.close()
    if not made:
        raise click.ClickException("there are API keys already; ask an administrator for one")
    if token_file is None:
        click.echo(token)


if __name__ == "__main__":
    main(PROGRAM, cli)
