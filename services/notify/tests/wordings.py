"""A template as the tests know it."""

from __future__ import annotations

from datetime import date

from services.notify.templates.domain import Body, Channel, Kind, Purpose, Template, Variable, Words

GOLD = Words("金卡", "Gold")
CLASS = Variable("class_name", Kind.TEXT, GOLD, required=True)
BENEFITS = Variable("benefits", Kind.LIST, (Words("礼包", "gift"), Words("送货", "delivery")))
DAY = Variable("effective_date", Kind.DATE, date(2011, 12, 9), required=True)
BODIES = (
    Body(
        Channel.EMAIL,
        "zh-CN",
        "{customer_name}：{effective_date}起为{class_name}。权益：{benefits}",
        "等级：{class_name}",
    ),
    Body(Channel.EMAIL, "en", "{customer_name}: {class_name} from {effective_date}. {benefits}", "Class: {class_name}"),
    Body(Channel.SMS, "zh-CN", "{class_name}，{effective_date}"),
    Body(Channel.SMS, "en", "{class_name}, {effective_date}"),
    Body(Channel.PHONE, "zh-CN", "您好，{customer_name}"),
    Body(Channel.PHONE, "en", "Hello {customer_name}"),
)
NOTICE = Template("templates/tier-notice/versions/1", "Tier notice", Purpose.SERVICE, (CLASS, BENEFITS, DAY), BODIES)
