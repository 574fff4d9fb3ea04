"""The service keys are changed, as an operator does it, and nobody is lost or doubled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chassis import names
from chassis.settings import SettingError
from chassis.tests.events import until
from chassis.vault import generate_key
from services.customer.config import CustomerSettings
from services.customer.customers.tables import KEYS
from services.customer.server import PROGRAM
from services.customer.tables import VAULT_KEYS
from services.customer.tests.builders import Shop, by_phone, mobile, sale
from tests.databases import text_of
from tests.running import SECRETS, StartService

ANNA = "+447700900123"


@pytest.mark.requirement("G-22")
def test_everybody_is_found_and_read_through_a_rotation(start_service: StartService, quiet: dict[str, Any]) -> None:
    """With the new keys before the old ones all goes on; in a while the old service key is needed no more."""
    vault_key, index_key = generate_key(), generate_key()
    shop = Shop(start_service(PROGRAM, **quiet))
    details: dict[str, Any] = {"enrolment_ref": "E-ANNA", "contact_points": [mobile(ANNA)], "display_name": "Anna"}
    anna = shop.customer(**details)
    database = shop.running.database

    def restart(service_keys: str) -> Shop:
        shop.running.service.stop()
        running = start_service(
            PROGRAM,
            **quiet,
            database_url=text_of(database.url),
            vault_key=service_keys,
            index_key=f"{index_key},{SECRETS['index_key']}",
        )
        return Shop(running)

    def found() -> set[str]:
        return {match.customer for match in shop.look_up(by_phone(ANNA))}

    def key_ids() -> set[str]:
        with database.read() as tx:
            return set(tx.scalars(sa.select(VAULT_KEYS.c.key_id)))

    before = key_ids()
    shop = restart(f"{vault_key},{SECRETS['vault_key']}")
    assert found() == {anna}
    again = shop.enrol(**details)
    assert (again.replayed, again.customer.name) == (True, anna)
    assert [match.customer for match in shop.enrol(contact_points=[mobile(ANNA)]).matches] == [anna]
    twin = shop.customer(contact_points=[mobile(ANNA)], accept_duplicates=True)
    assert found() == {anna, twin}
    # Her file under both digests, as when the index is made anew, is still one file.
    with database.write() as tx:
        tx.execute(sa.update(KEYS).values(customer_id=names.identity(anna)))
    assert shop.record(sale("R1", customer_lookup=by_phone(ANNA))).purchase.customer == anna

    until(lambda: not key_ids() & before)
    shop = restart(vault_key)
    assert shop.file(anna).display_name == "Anna"
    assert found() == {anna}


def test_a_key_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """The error names the setting, and nothing of the keys."""
    given = {"DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite", "SIGNING_KEY": "{}", "INDEX_KEY": SECRETS["index_key"]}
    given["VAULT_KEY"] = f"{SECRETS['vault_key']},s3cret"
    with pytest.raises(SettingError, match=r"^SHUKE_CUSTOMER_VAULT_KEY: .* base64 of 32 bytes$") as refused:
        CustomerSettings.read({f"SHUKE_CUSTOMER_{name}": value for name, value in given.items()})
    assert "s3cret" not in str(refused.value)
