"""What the tests of the tiering service share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from chassis.database import Database
from chassis.migrations import upgrade
from services.tiering.server import PROGRAM, build
from services.tiering.tests.clients import Tiering
from services.tiering.tests.owner import Owner
from tests.databases import MakeDatabase
from tests.running import StartService


@pytest.fixture
def tiering(start_service: StartService) -> Tiering:
    """Start the tiering service, on each engine in turn, beside an owner whose events the test writes."""
    owner = Owner()
    return Tiering(start_service(replace(PROGRAM, build=partial(build, customer=owner))), owner)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)
