"""Telephone numbers and e-mail addresses in their normal form. Nothing is looked up outside."""

from __future__ import annotations

import phonenumbers
from email_validator import EmailNotValidError, validate_email


def phone(value: str, region: str) -> str | None:
    """Answer a telephone number in E.164; None when no network could have it. A national one is read in the region."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    normal = _e164(number)
    # Zeros that no network dials are dropped when the form is read again: such digits would have two forms.
    return normal if value == normal or _e164(phonenumbers.parse(normal)) == normal else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(value: str) -> str | None:
    """Answer an e-mail address with its domain in lower case; None when it is none."""
    try:
        # Example domains are possible addresses: whether mail arrives is for the mail server to say.
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        return None
