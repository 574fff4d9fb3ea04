"""Invented contact data for the demo's customers: the source file knows them by number only.

Everything follows from the customer's number, so that each replay enrols the same people. The names are put together
from lists, a likeness to a person is chance. Telephone numbers come from the ranges that Ofcom keeps free for drama,
e-mail addresses from the domains that are reserved for examples: no message can reach anybody.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

# Leeds, Sheffield, Leicester, Reading and Bristol: 496 0000 to 0999 of each is given to nobody.
AREA_CODES = ("113", "114", "116", "117", "118")
NUMBERS_PER_AREA = 1000
EMAIL_DOMAINS = ("example.com", "example.org", "example.net")
NO_EMAIL_PERCENT = 5
NO_CONSENT_PERCENT = 5

ENGLISH_GIVEN = (
    "Alder", "Amberly", "Ashwin", "Bramwen", "Brinley", "Caldra", "Corwen", "Dovina", "Elowyn", "Farren",
    "Fennick", "Garrit", "Halden", "Hollis", "Isolde", "Jessamy", "Kerrin", "Larkin", "Lindry", "Merrin",
    "Nolwen", "Orlin", "Perrin", "Quillon", "Rosmer", "Sorrel", "Tamsel", "Ulric", "Verity", "Wystan",
)  # fmt: skip
ENGLISH_FAMILY = (
    "Applewick", "Barrowmere", "Birchley", "Cloverdale", "Copperfen", "Dunmarsh", "Elderbrook", "Fernhollow",
    "Foxglen", "Gorsefield", "Harrowbeck", "Hazelrigg", "Ivybridge", "Juniperton", "Kestrelby", "Larchwood",
    "Mallowfield", "Mossgrave", "Nettlecombe", "Oakenshaw", "Pebblewick", "Quarrydale", "Rushmere", "Saltmarsh",
    "Thistledown", "Umberley", "Vinterbourne", "Willowby", "Wrenfield", "Yarrowdale",
)  # fmt: skip
CHINESE_FAMILY = tuple("林沈苏顾陆叶江程方白秦安夏温柳梅石云简纪")
CHINESE_GIVEN_FIRST = tuple("书清雨思明若景晓星安语知子一芷沐亦念")
CHINESE_GIVEN_SECOND = tuple("禾远舟宁澜川棠遥砚岚溪松桐帆月笙野晴")


class ContactKind(StrEnum):
    """Kinds of contact point that the demo uses, named as in the contract."""

    LANDLINE = "LANDLINE"
    EMAIL = "EMAIL"


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One way to reach a customer."""

    kind: ContactKind
    value: str  # E.164 or an e-mail address


@dataclass(frozen=True, slots=True)
class Person:
    """What a customer would tell at the till."""

    display_name: str
    language_code: str  # zh-CN or en
    contact_points: tuple[ContactPoint, ...]  # always a telephone number, mostly an e-mail address
    consents: bool  # whether the customer agreed to the purposes of the notice


def person(customer: str, rank: int) -> Person:
    """Invent a person; rank, the customer's place among all customers, keeps telephone numbers apart."""
    language_code = ("zh-CN", "en")[_draw(customer, "language", 2)]
    contact_points = [ContactPoint(ContactKind.LANDLINE, _telephone(rank))]
    if _draw(customer, "has email", 100) >= NO_EMAIL_PERCENT:
        contact_points.append(ContactPoint(ContactKind.EMAIL, _email(customer)))
    return Person(
        display_name=_name(customer, language_code),
        language_code=language_code,
        contact_points=tuple(contact_points),
        consents=_draw(customer, "consents", 100) >= NO_CONSENT_PERCENT,
    )


def _draw(customer: str, question: str, choices: int) -> int:
    """Choose 0 to choices - 1; each question has its own hash, so that the answers do not hang together."""
    digest = hashlib.sha256(f"{customer}\n{question}".encode()).digest()
    return int.from_bytes(digest) % choices


def _pick(customer: str, question: str, names: tuple[str, ...]) -> str:
    return names[_draw(customer, question, len(names))]


def _name(customer: str, language_code: str) -> str:
    if language_code == "en":
        return f"{_pick(customer, 'given', ENGLISH_GIVEN)} {_pick(customer, 'family', ENGLISH_FAMILY)}"
    parts = (("family", CHINESE_FAMILY), ("given", CHINESE_GIVEN_FIRST), ("second", CHINESE_GIVEN_SECOND))
    return "".join(_pick(customer, question, names) for question, names in parts)


def _telephone(rank: int) -> str:
    area, number = divmod(rank, NUMBERS_PER_AREA)
    if not 0 <= area < len(AREA_CODES):
        most = len(AREA_CODES) * NUMBERS_PER_AREA
        raise ValueError(f"no example telephone number is left for customer {rank + 1}: there are {most}")
    return f"+44{AREA_CODES[area]}4960{number:03d}"


def _email(customer: str) -> str:
    return f"customer{customer}@{_pick(customer, 'domain', EMAIL_DOMAINS)}"
