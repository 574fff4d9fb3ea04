"""The tables of customer files. Nothing personal stands in them in clear."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text, twin
from services.customer.tables import METADATA

CUSTOMERS = sa.Table(
    "customers",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("personal", sa.LargeBinary, nullable=False),
    sa.Column("party_type", Text, nullable=False),
    sa.Column("language_code", Text, nullable=False),
    sa.Column("home_store", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("completion_due_date", sa.Date),
    sa.Column("enrolled_by", Text, nullable=False),
    sa.Column("enrolment_ref", Text),
    sa.Column("enrolment_hash", sa.LargeBinary),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("notice_version", Text, nullable=False),
    sa.Column("preferred_channel", Text, nullable=False),
    sa.Column("time_zone", Text, nullable=False),
    sa.UniqueConstraint("home_store", "enrolment_ref", name="uq_customers_enrolment"),
)

# Blind digests of the keys under which a customer is found; a key may lead to several customers.
KEYS = sa.Table(
    "customer_keys",
    METADATA,
    sa.Column("kind", Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("customer_id", Text, primary_key=True, index=True),
)

CLASSES = sa.Table(
    "customer_classes",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("scheme", Text, primary_key=True),
    sa.Column("class_key", Text, nullable=False),
    sa.Column("zh", Text, nullable=False),
    sa.Column("en", Text, nullable=False),
    sa.Column("since_time", sa.BigInteger, nullable=False),
)
CLASSES_BESIDE = twin(CLASSES)
