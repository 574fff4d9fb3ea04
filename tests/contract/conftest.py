"""What the tests of the contracts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.house import House, opened_house
from tests.databases import Lender


@pytest.fixture(scope="package")
def house(sqlite_lender: Lender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Run the whole suite, with a record of most kinds."""
    with opened_house(sqlite_lender, tmp_path_factory.mktemp("house")) as made:
        yield made
