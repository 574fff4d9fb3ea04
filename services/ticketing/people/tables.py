"""The tables of people: copies of what other services tell, as far as tickets need it."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text, twin
from services.ticketing.tables import METADATA

STORES = sa.Table("stores", METADATA, sa.Column("code", Text, primary_key=True))

# Roles and store codes are separated by spaces.
STAFF = sa.Table(
    "staff",
    METADATA,
    sa.Column("code", Text, primary_key=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("roles", Text, nullable=False),
    sa.Column("stores", Text, nullable=False),
    sa.Column("chain_wide", sa.Boolean, nullable=False),
    sa.Column("superior", Text, nullable=False),
)

CLASSES = sa.Table(
    "customer_classes",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("scheme", Text, primary_key=True),
    sa.Column("class_key", Text, nullable=False),
)

# In which each is built anew.
STORES_BESIDE, STAFF_BESIDE, CLASSES_BESIDE = twin(STORES), twin(STAFF), twin(CLASSES)
