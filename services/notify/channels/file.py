"""Text messages and telephone calls as lines of a file, which a gateway or a desk fetches. Used by one thread.

A telephone line is a call task for staff (N-01).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from zoneinfo import ZoneInfo

from chassis.calendar import day_of
from services.notify.delivery.domain import Answer, ChannelDown, Letter
from services.notify.messages.domain import Outcome


class FileChannel:
    """Appends one JSON line per letter to a file per channel and day of the chain; only the service's user may read."""

    def __init__(self, folder: Path, zone: ZoneInfo) -> None:
        self.folder = folder
        self.zone = zone

    def ready(self) -> None:
        """Have the folder."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ChannelDown(problem=f"file: {type(error).__name__}") from error

    def send(self, letter: Letter) -> Answer:
        """Write a letter's line; once writing has begun, an error leaves open whether a reader has the line."""
        line = {
            "message": f"messages/{letter.message_id}",
            "channel": letter.channel,
            "to": letter.to,
            "text": letter.text,
        }
        path = self.folder / f"{letter.channel.lower()}-{day_of(letter.time, self.zone)}.jsonl"
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            return Answer(Outcome.CHANNEL_FAULT, detail=f"open {type(error).__name__}")
        try:
            os.write(file, json.dumps(line, ensure_ascii=False).encode() + b"\n")
            os.fsync(file)
        except OSError as error:
            return Answer(Outcome.UNKNOWN, detail=f"write {type(error).__name__}")
        finally:
            os.close(file)
        return Answer(Outcome.ACCEPTED)

    def close(self) -> None:
        """Keep nothing open."""
