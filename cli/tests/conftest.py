"""What the tests of the command share."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from cli.tests.running import Shell, Suite, opened_suite
from tests.databases import Lender


@pytest.fixture(scope="package", autouse=True)
def logs_elsewhere() -> Iterator[None]:
    """Keep the logs of services, which run in this process here, out of what the command writes."""
    usual = structlog.get_config()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(io.StringIO()))
    yield
    structlog.configure(**usual)


@pytest.fixture(scope="package")
def suite(sqlite_lender: Lender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Start one suite for all tests of the command, each of which enters what it needs."""
    with opened_suite(sqlite_lender, tmp_path_factory.mktemp("suite")) as running:
        yield running


@pytest.fixture
def shell(suite: Suite) -> Shell:
    """Type as the first administrator."""
    return suite.shell
