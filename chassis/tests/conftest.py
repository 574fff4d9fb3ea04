"""What the tests of the chassis share."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.operations import Operations
from chassis.paging import Pager
from chassis.tests import operating
from chassis.tests.rebuilding import OWNER, TABLES, Adder, Owner
from tests.databases import MakeDatabase


@pytest.fixture
def database(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Database:
    """Make a database, on each engine in turn, with the tables that the test's module names in `TABLES`."""
    tables: sa.MetaData = getattr(request.module, "TABLES", sa.MetaData())
    return make_database(lambda new: tables.create_all(new.writer), request.module.__name__)


@pytest.fixture
def operations(make_database: MakeDatabase) -> Operations:
    """Make the operations of one service, on each engine in turn."""
    database = make_database(lambda new: operating.TABLES.create_all(new.writer), operating.__name__)
    return Operations("tiny", database, operating.TABLE, Pager(bytes(32)))


@pytest.fixture
def adder(make_database: MakeDatabase) -> Adder:
    """Make an owner and a listener, each with a database of its own, on each engine in turn."""
    owner = Owner(make_database(lambda new: OWNER.create_all(new.writer), "rebuilding owner"))
    owner.begin()
    return Adder(make_database(lambda new: TABLES.create_all(new.writer), "rebuilding listener"), owner)
