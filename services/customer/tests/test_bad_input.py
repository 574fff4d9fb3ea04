"""Whatever is wrong, the caller hears a code, a reason, every field and what to do next, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2 as details
from google.type.money_pb2 import Money

from services.customer.tests.builders import (
    NOBODY,
    PURCHASES,
    YORK,
    Shop,
    alone,
    at,
    by_phone,
    day,
    gbp,
    line,
    mobile,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import purchases_pb2 as pb

# A telephone that two customers share.
ANNA = "+447700900123"


@dataclass(frozen=True)
class Bad:
    """A call that must be refused, and what must be said."""

    send: Callable[..., object]
    code: str
    reason: str
    en: str
    zh: str
    fields: tuple[str, ...] = field(default=())


def page_of_another_query(shop: Shop, language: str) -> object:
    """Turn the page of one store with the token of another one's list."""
    first = shop.purchases(pb.ListPurchasesRequest(store="LEEDS", page_size=1))
    return shop.purchases(pb.ListPurchasesRequest(store=YORK, page_token=first.next_page_token), language=language)


def euros(shop: Shop, language: str) -> object:
    """Pay in another chain's money."""
    foreign = sale("R9")
    foreign.total.currency_code = foreign.lines[0].amount.currency_code = "EUR"
    return shop.record(foreign, language=language)


BAD = {
    "unknown customer": Bad(
        lambda shop, **caller: shop.record(sale("R9", customer=NOBODY), **caller),
        "FAILED_PRECONDITION",
        "CUSTOMER_UNKNOWN",
        "purchase.customer leads to no customer. Enrol the customer first, or send the record with settled set.",
        "purchase.customer 未对应任何客户。请先登记客户，或不带客户记录并以 settled 提交。",
    ),
    "ambiguous customer": Bad(
        lambda shop, **caller: shop.record(sale("R9", customer_lookup=by_phone(ANNA)), **caller),
        "FAILED_PRECONDITION",
        "CUSTOMER_AMBIGUOUS",
        "purchase.customer_lookup leads to 2 customers. Look them up and name one.",
        "purchase.customer_lookup 对应 2 位客户。请查询后指定其中一位。",
    ),
    "impossible phone at enrolment": Bad(
        lambda shop, **caller: shop.enrol(contact_points=[mobile("12")], caller=caller),
        "INVALID_ARGUMENT",
        "PHONE_IMPOSSIBLE",
        "contact_points[0].value is not a possible telephone number. "
        "Write it in international form, with + and the country code.",
        "contact_points[0].value 不是可能的电话号码。请使用国际格式，如 +86 加号码。",
        ("contact_points[0].value",),
    ),
    "impossible phone at a sale": Bad(
        lambda shop, **caller: shop.record(sale("R9", customer_lookup=by_phone("12")), settled=True, **caller),
        "INVALID_ARGUMENT",
        "PHONE_IMPOSSIBLE",
        "purchase.customer_lookup.phone is not a possible telephone number. "
        "Write it in international form, with + and the country code.",
        "purchase.customer_lookup.phone 不是可能的电话号码。请使用国际格式，如 +86 加号码。",
        ("purchase.customer_lookup.phone",),
    ),
    "foreign currency": Bad(
        euros,
        "INVALID_ARGUMENT",
        "CURRENCY_FOREIGN",
        "purchase.lines[0].amount is in EUR; this chain keeps its books in GBP only.",
        "purchase.lines[0].amount 的币种为 EUR，本连锁只使用 GBP。",
        ("purchase.lines[0].amount", "purchase.total"),
    ),
    "money finer than pence": Bad(
        lambda shop, **caller: shop.record(sale("R9", total=Money(currency_code="GBP", nanos=1)), **caller),
        "INVALID_ARGUMENT",
        "MONEY_TOO_FINE",
        "purchase.total is finer than GBP allows (2 decimal places). Round it first.",
        "purchase.total 的金额精度超过 GBP 的最小单位（2 位小数）。请先取整。",
        ("purchase.total",),
    ),
    "money of two signs": Bad(
        lambda shop, **caller: shop.record(sale("R9", total=Money(currency_code="GBP", units=1, nanos=-1)), **caller),
        "INVALID_ARGUMENT",
        "MONEY_MALFORMED",
        "purchase.total is no amount: units and nanos must have the same sign and the amount must be in range.",
        "purchase.total 的金额格式不正确：units 与 nanos 符号须一致，且金额不得超出范围。",
        ("purchase.total",),
    ),
    "sums that do not add up": Bad(
        lambda shop, **caller: shop.record(sale("R9", total=gbp(9_99)), settled=True, **caller),
        "INVALID_ARGUMENT",
        "TOTAL_MISMATCH",
        "purchase.total is GBP 9.99, but lines and adjustments add up to GBP 10.00.",
        "purchase.total 为 GBP 9.99，但各行与调整之和为 GBP 10.00。",
        ("purchase.total",),
    ),
    "a receipt with other content": Bad(
        lambda shop, **caller: shop.record(sale("R1", line(amount=1)), settled=True, **caller),
        "ALREADY_EXISTS",
        "RECEIPT_CONFLICT",
        "Receipt LEEDS/T1/2026-03-01/R1 is recorded already as {R1}, with other content. Check the receipt number.",
        "小票 LEEDS/T1/2026-03-01/R1 已以不同内容记录为 {R1}。请核对小票号。",
    ),
    "a refund above what is left": Bad(
        lambda shop, **caller: shop.refund(refund("F9", line(1, 10_01), original_receipt=receipt("R1")), **caller),
        "FAILED_PRECONDITION",
        "OVER_REFUND",
        "refund.total is more than is left to refund of the original sale (GBP 10.00 left). Refund less, or see by "
        "LookupPurchase what was refunded already.",
        "refund.total 超过原销售的可退余额（剩余 GBP 10.00）。请减少退款，或用 LookupPurchase 查询已退的内容。",
    ),
    "a sale at a future time": Bad(
        lambda shop, **caller: shop.record(sale("R9", business_time=at("2026-03-02 05:00")), **caller),
        "FAILED_PRECONDITION",
        "TIME_IN_FUTURE",
        "purchase.business_time lies in the future. Check the time, and the clock that it was taken from.",
        "purchase.business_time 在未来。请核对时间和记录时所用的时钟。",
    ),
    "a sale on a future day": Bad(
        lambda shop, **caller: shop.record(sale("R9", on="2026-03-03", business_time=at("2026-03-02 04:00")), **caller),
        "FAILED_PRECONDITION",
        "TIME_IN_FUTURE",
        "purchase.receipt.business_date lies in the future. Check the time, and the clock that it was taken from.",
        "purchase.receipt.business_date 在未来。请核对时间和记录时所用的时钟。",
    ),
    "a time outside of the calendar": Bad(
        lambda shop, **caller: shop.record(
            sale("R9", business_time=Timestamp(seconds=-(10**18))), settled=True, **caller
        ),
        "INVALID_ARGUMENT",
        "FIELDS_INVALID",
        "Fields of the request are wrong: purchase.business_time. Correct each as its violation says.",
        "请求中有字段不正确：purchase.business_time。请按各字段的说明修改。",
        ("purchase.business_time",),
    ),
    "a profit beyond all bounds": Bad(
        lambda shop, **caller: shop.record(
            sale("R9", *(line(number, profit=10**12 - 1) for number in range(1, 3))), settled=True, **caller
        ),
        "INVALID_ARGUMENT",
        "MONEY_MALFORMED",
        "purchase.lines is no amount: units and nanos must have the same sign and the amount must be in range.",
        "purchase.lines 的金额格式不正确：units 与 nanos 符号须一致，且金额不得超出范围。",
        ("purchase.lines",),
    ),
    "a customer named twice": Bad(
        lambda shop, **caller: shop.record(sale("R9", customer=NOBODY, customer_lookup=by_phone(ANNA)), **caller),
        "INVALID_ARGUMENT",
        "CUSTOMER_NAMED_TWICE",
        "Name the customer either in purchase.customer_lookup or in customer, not in both.",
        "purchase.customer_lookup 与 customer 只能填写一个。",
        ("purchase.customer_lookup",),
    ),
    "a refund without a reason": Bad(
        lambda shop, **caller: shop.refund(refund("F9", approver="M1"), **caller),
        "INVALID_ARGUMENT",
        "REFUND_REASON_MISSING",
        "A refund without an original sale must say why in refund.reason.",
        "没有原销售的退款必须填写 refund.reason。",
        ("refund.reason",),
    ),
    "a refund without an approver": Bad(
        lambda shop, **caller: shop.refund(refund("F9", reason="DAMAGED"), **caller),
        "FAILED_PRECONDITION",
        "REFUND_APPROVER_MISSING",
        "A refund without an original sale needs an approver in refund.approver; "
        "one already paid out may be sent with settled set.",
        "没有原销售的退款须在 refund.approver 填写批准人；已完成的退款可用 settled 提交。",
    ),
    "a page token of another query": Bad(
        page_of_another_query,
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        "The page token does not belong to this query. Leave page_token out to start again.",
        "翻页标记与本次查询不符。请去掉 page_token 重新查询。",
        ("page_token",),
    ),
    "a reversed window": Bad(
        lambda shop, **caller: shop.purchases(
            pb.ListPurchasesRequest(store=YORK, first_date=day("2026-03-01"), last_date=day("2026-02-01")), **caller
        ),
        "INVALID_ARGUMENT",
        "RANGE_REVERSED",
        "last_date lies before first_date. Swap or correct them.",
        "last_date 早于 first_date。请对调或修改。",
        ("last_date",),
    ),
    "a missing permission": Bad(
        lambda shop, **caller: shop.refund(alone("F9"), permissions=("customer.purchases.*",), **caller),
        "PERMISSION_DENIED",
        "PERMISSION_MISSING",
        "The permission customer.refunds.record is missing. Ask an administrator for a role that has it.",
        "没有权限 customer.refunds.record。请向管理员申请相应角色。",
    ),
    "a foreign store's key": Bad(
        lambda shop, **caller: shop.record(sale("R9", total=gbp(1)), stores=(YORK,), **caller),
        "PERMISSION_DENIED",
        "STORE_FOREIGN",
        "You may not act for store LEEDS. Use a key of that store.",
        "不能代表门店 LEEDS 操作。请使用该门店的密钥。",
    ),
    "several fields at once": Bad(
        lambda shop, **caller: shop.record(pb.Purchase(receipt=receipt("R9", "leeds"), lines=[line()]), **caller),
        "INVALID_ARGUMENT",
        "FIELDS_INVALID",
        "Fields of the request are wrong: purchase.receipt.store, purchase.business_time, purchase.total. "
        "Correct each as its violation says.",
        "请求中有字段不正确：purchase.receipt.store, purchase.business_time, purchase.total。请按各字段的说明修改。",
        ("purchase.receipt.store", "purchase.business_time", "purchase.total"),
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_answered_in_the_callers_language(shop: Shop, kind: str) -> None:
    """Code, reason and fields are the contract's; the sentence says what is wrong and what to do; nothing is kept."""
    for _ in range(2):
        shop.customer(contact_points=[mobile(ANNA)], accept_duplicates=True)
    known = shop.record(sale("R1")).purchase.name
    shop.record(sale("R2"))
    before = list(shop.feed())
    bad = BAD[kind]
    english, chinese = (refused(bad.send, shop, language=language) for language in ("en", "zh-CN"))
    for refusal in (english, chinese):
        assert (refusal.code, refusal.reason) == (bad.code, bad.reason)
        assert tuple(refusal.fields) == bad.fields
        assert refusal.message == english.localized
    assert english.localized == bad.en.replace("{R1}", known)
    assert chinese.localized == bad.zh.replace("{R1}", known)
    assert list(shop.feed()) == before


def test_every_field_says_what_is_wrong_with_it(shop: Shop) -> None:
    """Each violation carries its own reason and sentence, those of shape as those of sums."""
    shapeless = sale("R 9", line(0, sku=""), customer="anna", operator="熟客")
    said = violations(shop, shapeless, "zh-CN")
    assert said == {
        "purchase.receipt.receipt_no": ("STRING_PATTERN", "purchase.receipt.receipt_no 格式须符合 ^[!-~]{1,64}$。"),
        "purchase.customer": (
            "STRING_PATTERN",
            "purchase.customer 格式须符合 ^(customers/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$。",
        ),
        "purchase.lines[0].line_no": ("INT32_GTE_LTE", "purchase.lines[0].line_no 须在 1–9999 之间。"),
        "purchase.lines[0].sku": ("STRING_MIN_LEN", "purchase.lines[0].sku 至少 1 个字符。"),
        "purchase.operator": ("STRING_PATTERN", "purchase.operator 格式须符合 ^[!-~]{0,32}$。"),
    }
    sums = sale("R9", line(1, -1), total=gbp(5), tenders=[pb.Tender(kind=pb.Tender.CASH, amount=gbp(4))])
    assert violations(shop, sums, "en") == {
        "purchase.lines[0].amount": (
            "AMOUNT_NEGATIVE",
            "purchase.lines[0].amount must not be negative. Record what is given back with RecordRefund.",
        ),
        "purchase.total": (
            "TOTAL_MISMATCH",
            "purchase.total is GBP 0.05, but lines and adjustments add up to GBP -0.01.",
        ),
        "purchase.tenders": (
            "TENDER_MISMATCH",
            "purchase.tenders add up to GBP 0.04, not to the total GBP 0.05.",
        ),
    }


def violations(shop: Shop, purchase: pb.Purchase, language: str) -> dict[str, tuple[str, str]]:
    """Send a bad sale and read each field's reason and sentence."""
    request = pb.BatchRecordPurchasesRequest(requests=[pb.RecordPurchaseRequest(purchase=purchase)])
    answer = shop.running.call(PURCHASES, "BatchRecordPurchases", request, language=language)
    wrong = details.BadRequest()
    for detail in answer.results[0].error.details:
        detail.Unpack(wrong)
    return {each.field: (each.reason, each.localized_message.message) for each in wrong.field_violations}


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "no receipt": ({"receipt": None}, "purchase.receipt"),
    "no day": ({"day": (2026, 2, 30)}, "purchase.receipt.business_date"),
    "no year": ({"day": (0, 2, 3)}, "purchase.receipt.business_date"),
    "store in small letters": ({"store": "leeds"}, "purchase.receipt.store"),
    "terminal with a blank": ({"terminal": "T 1"}, "purchase.receipt.terminal"),
    "number with a line end": ({"receipt_no": "R1\n"}, "purchase.receipt.receipt_no"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_receipt_must_have_its_shape(shop: Shop, shape: str) -> None:
    """Each part of a receipt's key is held to its pattern, and its day to the calendar, settled or not."""
    parts, path = SHAPES[shape]
    given = sale("R1")
    for name, value in parts.items():
        if value is None:
            given.ClearField("receipt")
        elif isinstance(value, tuple):
            given.receipt.business_date.year, given.receipt.business_date.month, given.receipt.business_date.day = value
        else:
            setattr(given.receipt, name, value)
    for settled in (False, True):
        refusal = refused(shop.record, given, settled=settled)
        assert (refusal.code, tuple(refusal.fields)) == ("INVALID_ARGUMENT", (path,))


QUANTITIES = {"": "pattern", "-1": "pattern", "1.0005": "pattern", "1e3": "pattern", "０": "pattern", "0.000": "zero"}


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_quantity_is_a_plain_decimal_above_zero(shop: Shop, quantity: str) -> None:
    """Nothing, signs, a fourth place, exponents and other digits are no quantity, and zero is none either."""
    reason = {"pattern": "STRING_PATTERN", "zero": "QUANTITY_ZERO"}[QUANTITIES[quantity]]
    assert refused(shop.record, sale("R1", line(quantity=quantity))).fields == {"purchase.lines[0].quantity": reason}


def test_the_strange_is_kept_as_it_is(shop: Shop) -> None:
    """Control characters, other scripts and emoji in free text are stored and answered on both engines."""
    odd = "\x00\x01\n'; DROP TABLE entries; -- 熟客 🫖"
    name = shop.record(sale("R1", line(sku=odd, product_name=odd, serial_no=odd))).purchase.name
    told = shop.purchase(name).lines[0]
    assert (told.sku, told.product_name, told.serial_no) == (odd, odd, odd)
    anna = shop.customer(display_name=odd)
    assert shop.file(anna).display_name == odd
