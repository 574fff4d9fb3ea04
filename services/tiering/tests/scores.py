"""Scores that the tests of tiering share: the example of the value scheme, and random ones."""

from hypothesis import strategies as st

from services.tiering.policies.domain import Kind, RefundCountsAt, Score, ScoreClass, Weights, Window
from shuke.options.v1.options_pb2 import Text
from shuke.tiering.v1.policies_pb2 import LadderPolicy, ScoreWeights, WeightedScorePolicy
from shuke.tiering.v1.policies_pb2 import ScoreClass as ScoreClassMessage

A = ScoreClass("A", "重要客户", "Important", share=5)
B = ScoreClass("B", "次重要客户", "Next important", share=15)
C = ScoreClass("C", "普通客户", "Ordinary", share=50)
D = ScoreClass("D", "一般客户", "General", share=30)
VALUE = Score(
    classes=(D, C, B, A),
    window=Window.LIFETIME,
    refund_counts_at=RefundCountsAt.REFUND_TIME,
    weights=Weights(amount=40, profit=40, frequency=20),
    kinds=(Kind.SALE, Kind.CONTRACT),
)


def parts(draw: st.DrawFn, count: int, least: int) -> list[int]:
    """Cut a hundred into whole parts."""
    ends = sorted(draw(st.lists(st.integers(0, 100 - least * count), min_size=count - 1, max_size=count - 1)))
    return [least + end - start for start, end in zip([0, *ends], [*ends, 100 - least * count], strict=True)]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Draw scores that pass their check."""
    shares = parts(draw, draw(st.integers(1, 5)), least=1)
    return Score(
        classes=tuple(
            ScoreClass(f"CLASS_{number}", f"{number}级", f"Class {number}", share=share)
            for number, share in enumerate(shares)
        ),
        window=draw(st.sampled_from(Window)),
        rolling_months=draw(st.integers(1, 120)),
        refund_counts_at=draw(st.sampled_from(RefundCountsAt)),
        weights=Weights(*parts(draw, 3, least=0)),
        kinds=draw(st.sampled_from([(Kind.SALE,), (Kind.CONTRACT,), tuple(Kind)])),
    )


def score_to_proto(score: Score) -> WeightedScorePolicy:
    """Write a score as a client sends it."""
    return WeightedScorePolicy(
        window=LadderPolicy.Window.Value(score.window or "WINDOW_UNSPECIFIED"),
        rolling_months=score.rolling_months,
        weights=ScoreWeights(**score.weights._asdict()),
        kinds=[WeightedScorePolicy.Kind.Value(kind) for kind in score.kinds],
        classes=[
            ScoreClassMessage(
                class_key=one.class_key, display_name=Text(zh=one.display_zh, en=one.display_en), share=one.share
            )
            for one in score.listed
        ],
        refund_counts_at=LadderPolicy.RefundCountsAt.Value(score.refund_counts_at or "REFUND_COUNTS_AT_UNSPECIFIED"),
    )
