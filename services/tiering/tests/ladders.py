"""Ladders and figures that the tests of tiering share: the example of the loyalty scheme, and random ones."""

from datetime import date, timedelta

from hypothesis import strategies as st

from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import (
    Condition,
    Demotion,
    Ladder,
    LadderClass,
    Metric,
    OnRefund,
    RefundCountsAt,
    Window,
)

AS_OF = date(2011, 3, 31)
FIRST_DAY = date(2010, 12, 1)  # 120 days before AS_OF

NEW = LadderClass("NEW", "新客户", "New", at_first_purchase=True)
REGULAR = LadderClass("REGULAR", "普通客户", "Regular", entry=(Condition(Metric.NET_SPEND, 500_00),))
SILVER = LadderClass("SILVER", "银卡客户", "Silver", entry=(Condition(Metric.NET_SPEND, 2_000_00),))
GOLD = LadderClass("GOLD", "金卡客户", "Gold", entry=(Condition(Metric.NET_SPEND, 5_000_00),))
DIAMOND = LadderClass(
    "DIAMOND",
    "钻石客户",
    "Diamond",
    entry=(Condition(Metric.NET_SPEND, 20_000_00), Condition(Metric.TENURE_DAYS, 90)),
)
LOYALTY = Ladder(
    classes=(NEW, REGULAR, SILVER, GOLD, DIAMOND),
    window=Window.LIFETIME,
    demotion=Demotion.AT_EVALUATION,
    refund_counts_at=RefundCountsAt.REFUND_TIME,
    on_refund=OnRefund.AT_EVALUATION,
)


def spent(net_spend: int, first_date: date | None = FIRST_DAY) -> Metrics:
    """Figures of a customer of whom only net spend and the first sale matter."""
    return Metrics(net_spend=net_spend, profit=0, purchase_count=1, active_days=1, first_date=first_date)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    """Draw ladders that pass their check, with bounds so low that random figures meet them."""
    classes = [NEW] if draw(st.booleans()) else []
    floor: dict[Metric, int] = {}
    for number in range(draw(st.integers(1, 5))):
        for metric in sorted(draw(st.sets(st.sampled_from(Metric), min_size=1, max_size=2))):
            floor[metric] = floor.get(metric, 0) + draw(st.integers(1, 30))
        kept = draw(st.sets(st.sampled_from(sorted(floor))))
        classes.append(
            LadderClass(
                class_key=f"CLASS_{number}",
                display_zh=f"{number}级",
                display_en=f"Class {number}",
                entry=tuple(Condition(metric, floor[metric]) for metric in sorted(floor)),
                keep=tuple(Condition(metric, draw(st.integers(1, floor[metric]))) for metric in sorted(kept)),
            )
        )
    return Ladder(
        classes=tuple(classes),
        window=draw(st.sampled_from(Window)),
        rolling_months=draw(st.integers(1, 120)),
        demotion=draw(st.sampled_from(Demotion)),
        refund_counts_at=draw(st.sampled_from(RefundCountsAt)),
        on_refund=draw(st.sampled_from(OnRefund)),
        grace_quarters=draw(st.integers(1, 3)),
    )


def current_classes(ladder: Ladder) -> st.SearchStrategy[str | None]:
    """Draw what a customer may hold: a class of the ladder, none, or one that only an older version knew."""
    return st.sampled_from([None, "FORGOTTEN", *(step.class_key for step in ladder.classes)])


COUNTS = st.integers(0, 100)
METRICS = st.builds(
    Metrics,
    net_spend=st.integers(-50, 100),
    profit=st.integers(-50, 100),
    purchase_count=COUNTS,
    active_days=COUNTS,
    first_date=st.none() | COUNTS.map(lambda days: AS_OF - timedelta(days=days)),
)
