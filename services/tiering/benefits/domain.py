"""The catalogue of benefits (T-06 to T-11), what makes it fit to be put in force, and what follows from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import Problems
from services.tiering.policies.domain import WHOLE, Rules, note_missing


class Kind(StrEnum):
    """What a benefit is; the values are the contract's."""

    PRICE_LIST = "PRICE_LIST"
    PERCENT_OFF = "PERCENT_OFF"
    AMOUNT_OFF = "AMOUNT_OFF"
    GIFT = "GIFT"
    POINTS_RATE = "POINTS_RATE"
    SERVICE = "SERVICE"

    @property
    def value_field(self) -> str | None:
        """The one field that says how much benefits of this kind are worth; None where they have no such value."""
        return VALUE_FIELDS.get(self)


VALUE_FIELDS = {
    Kind.PRICE_LIST: "price_list_code",
    Kind.PERCENT_OFF: "percent",
    Kind.AMOUNT_OFF: "amount",
    Kind.POINTS_RATE: "percent",
}


class Period(StrEnum):
    """Within which time a quota may be used; the values are the contract's."""

    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"
    LIFETIME = "LIFETIME"


@dataclass(frozen=True, slots=True)
class Benefit:
    """Something that customers of a class get."""

    code: str
    kind: Kind
    display_zh: str
    display_en: str
    price_list_code: str = ""
    percent: int = 0
    amount: int = 0  # minor units
    quota: int = 0  # 0 for no limit
    period: Period | None = None
    first_purchase: bool = False  # held as long as there is no purchase, and not inherited


@dataclass(frozen=True, slots=True)
class ClassBenefits:
    """What a class adds to what the class below has, as codes."""

    scheme: str
    class_key: str
    adds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All benefits, and which class adds which; a chain without one offers nothing."""

    benefits: tuple[Benefit, ...] = ()
    classes: tuple[ClassBenefits, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogueVersion:
    """The catalogue in force; its name is empty where there is none."""

    name: str
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A benefit and the classes that add it."""

    benefit: Benefit
    origins: tuple[ClassBenefits, ...]


def listed(catalogue: Catalogue) -> list[Entitlement]:
    """List a catalogue in the order of the codes."""
    return _entitlements(catalogue.benefits, catalogue.classes)


def entitled(
    catalogue: Catalogue, rules: Mapping[str, Rules], held: Mapping[str, str], *, has_bought: bool
) -> list[Entitlement]:
    """List what a customer is entitled to, in the order of the codes: the union over all schemes in force (X-10).

    `rules` are those in force and `held` the classes, by scheme. A class gives what it adds and what every class below
    it adds (T-11). The benefits of the first purchase are for who has not bought yet, before any class (X-09).
    """
    benefits = [benefit for benefit in catalogue.benefits if benefit.first_purchase != has_bought]
    origins = [
        one
        for one in catalogue.classes
        if one.scheme in rules and (not has_bought or _reached(rules[one.scheme], one.class_key, held.get(one.scheme)))
    ]
    return [one for one in _entitlements(benefits, origins) if one.origins]


def display_names(catalogue: Catalogue, scheme: str, rules: Rules) -> dict[str, list[tuple[str, str]]]:
    """Tell by class, in Chinese and English, all that whoever holds it is entitled to."""
    return {
        step.class_key: [
            (one.benefit.display_zh, one.benefit.display_en)
            for one in entitled(catalogue, {scheme: rules}, {scheme: step.class_key}, has_bought=True)
        ]
        for step in rules.classes
    }


def _reached(rules: Rules, class_key: str, held: str | None) -> bool:
    """Tell whether a class stands at or below the one held; one that the rules do not know gives nothing."""
    return 0 <= rules.rank(class_key) <= rules.rank(held)


def _entitlements(benefits: Iterable[Benefit], classes: Iterable[ClassBenefits]) -> list[Entitlement]:
    return [
        Entitlement(benefit, tuple(one for one in classes if benefit.code in one.adds))
        for benefit in sorted(benefits, key=lambda benefit: benefit.code)
    ]


def check(problems: Problems, catalogue: Catalogue, field: str = "benefits") -> None:
    """Note everything that keeps a catalogue from being put in force; `field` is its path in its message."""
    codes: set[str] = set()
    for index, benefit in enumerate(catalogue.benefits):
        path = f"{field}.benefits[{index}]"
        if benefit.code in codes:
            problems.add(f"{path}.code", "BENEFIT_REPEATED", code=benefit.code)
        codes.add(benefit.code)
        check_benefit(problems, path, benefit)
    classes: set[tuple[str, str]] = set()
    for index, one in enumerate(catalogue.classes):
        path = f"{field}.classes[{index}]"
        if (one.scheme, one.class_key) in classes:
            problems.add(f"{path}.class_key", "CLASS_REPEATED", class_key=f"{one.scheme}:{one.class_key}")
        classes.add((one.scheme, one.class_key))
        for number, code in enumerate(one.adds):
            if code not in codes:
                problems.add(f"{path}.adds[{number}]", "BENEFIT_UNKNOWN", code=code)


def check_benefit(problems: Problems, path: str, benefit: Benefit) -> None:
    """Note what is wrong with a benefit by itself."""
    note_missing(problems, f"{path}.display_name", {"zh": benefit.display_zh, "en": benefit.display_en})
    for name in ("price_list_code", "percent", "amount"):
        value = getattr(benefit, name)
        if name == benefit.kind.value_field:
            note_missing(problems, path, {name: value})
        elif value:
            problems.add(f"{path}.{name}", "BENEFIT_VALUE_WRONG", kind=benefit.kind)
    if benefit.kind is Kind.PERCENT_OFF and benefit.percent > WHOLE:
        problems.add(f"{path}.percent", "BENEFIT_VALUE_WRONG", kind=benefit.kind)
    if benefit.kind is Kind.AMOUNT_OFF and benefit.amount < 0:
        problems.add(f"{path}.amount", "BENEFIT_VALUE_WRONG", kind=benefit.kind)
    if benefit.first_purchase:
        if (benefit.quota, benefit.period) != (1, Period.LIFETIME):
            problems.add(f"{path}.first_purchase", "FIRST_PURCHASE_ONCE")
    elif benefit.quota or benefit.period:
        note_missing(problems, path, {"quota": benefit.quota, "period": benefit.period})
