"""Explanations are told in both languages, with the same parts."""

from __future__ import annotations

import dataclasses
import re
import string

import pytest

from services.notify.explanations.domain import SENTENCES, findings
from services.notify.messages.domain import Attempt, Message, Reason, Source, State
from services.notify.tests.test_delivery_domain import QUEUED, SENDING

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def parts(sentence: str) -> set[str | None]:
    """List what is filled into a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence)} - {None}


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_has_two_languages(key: str) -> None:
    """Each sentence is told in Chinese and in English, with the same parts to fill in."""
    chinese, english = SENTENCES[key]
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)
    assert parts(chinese) == parts(english)


@pytest.mark.parametrize(
    ("message", "attempts", "last"),
    [
        (QUEUED, [], "It is QUEUED; a worker will take it up again."),
        (SENDING, [Attempt(1, "EMAIL", 0)], "It is SENDING; the channel's answer is awaited."),
    ],
)
def test_a_message_in_hand_says_what_is_awaited(message: Message, attempts: list[Attempt], last: str) -> None:
    """While something is to come, the last finding says what; an attempt that goes on has no outcome yet."""
    said = findings(message, attempts, "en")
    assert said[-1] == last
    assert [line for line in said if line.startswith("Attempt")] == ["Attempt 1 over EMAIL: -."] * len(attempts)


def test_an_end_says_why() -> None:
    """A message at its end says so, with the reason where there is one."""
    over = dataclasses.replace(QUEUED, source=Source(caller="c", retry_of="messages/1"), due_time=None)
    suppressed = dataclasses.replace(over, state=State.SUPPRESSED, reason=Reason.NO_CONSENT)
    assert findings(suppressed, [], "en")[-1] == "It is SUPPRESSED for NO_CONSENT; nothing comes next."
    said = findings(dataclasses.replace(over, state=State.SENT), [], "en")
    assert said[0] == "c has the content of messages/1 sent again."
    assert said[-1] == "It is SENT; nothing comes next."
