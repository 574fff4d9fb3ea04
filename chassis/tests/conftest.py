"""What the tests of the chassis share."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chassis.database import Database
from tests.databases import MakeDatabase


@pytest.fixture
def database(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Database:
    """Make a database, on each engine in turn, with the tables that the test's module names in `TABLES`."""
    tables: sa.MetaData = getattr(request.module, "TABLES", sa.MetaData())
    return make_database(lambda new: tables.create_all(new.writer), request.module.__name__)
