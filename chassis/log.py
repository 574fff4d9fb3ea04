"""Logs: one JSON line per event, or readable lines on a terminal. Never personal data."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(service: str, *, terminal: bool | None = None) -> None:
    """Set structlog up for a process; JSON unless standard error is a terminal."""
    readable = sys.stderr.isatty() if terminal is None else terminal
    structlog.configure(
        processors=[
            # Not a context variable: the steps clear those for each call, and threads begin without any.
            lambda _logger, _method, line: {"service": service, **line},
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
