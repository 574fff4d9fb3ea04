"""Logs of a process: one JSON line each, with the trace of a fault and none of its variables."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from chassis import log
log.configure("customer", terminal={terminal})
def work(phone):
    raise LookupError("nobody")
structlog.contextvars.bind_contextvars(request_id="r1")
try:
    work("1380" + "0138000")
except LookupError:
    structlog.get_logger("calls").exception("fault")
structlog.get_logger("calls").info("call", code="OK")
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_lines_hold_the_trace_and_no_variable(terminal: bool) -> None:  # noqa: FBT001
    """A fault is logged with where it happened; the values that the code held at that moment stay out of it."""
    program = PROGRAM.format(terminal=terminal)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "LookupError: nobody" in done.stderr.replace("\\n", "\n")
    assert "13800138000" not in done.stderr
    assert "Warning" not in done.stderr
    if not terminal:
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert [(line["event"], line["service"], line["request_id"]) for line in lines] == [
            ("fault", "customer", "r1"),
            ("call", "customer", "r1"),
        ]
        assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)
