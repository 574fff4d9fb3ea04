"""Handlers of `shuke.tiering.v1.AnalyticsService`."""

from __future__ import annotations

from chassis import names, wire
from chassis.calendar import day_of, end_of_day
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import Problems
from chassis.settings import Chain
from services.tiering.analytics.repository import distribution
from services.tiering.memberships.convert import counts_to_proto
from services.tiering.memberships.repository import held
from services.tiering.policies.repository import Policies
from shuke.tiering.v1 import tiering_pb2 as pb


class AnalyticsService:
    """Answers figures about classes."""

    def __init__(self, database: Database, policies: Policies, chain: Chain, clock: Clock) -> None:
        self.database = database
        self.policies = policies
        self.zone = chain.zone_info
        self.clock = clock

    def GetClassDistribution(self, request: pb.GetClassDistributionRequest, call: Call) -> pb.ClassDistribution:
        """Count the customers per class at the end of a day, as known now; today where none is named."""
        problems, scheme = Problems(), names.identity(request.scheme)
        today = day_of(self.clock(), self.zone)
        day = today
        if request.HasField("date"):
            day = wire.read_date(problems, "date", request.date)
        problems.refuse()
        with self.database.read() as tx:
            rules = self.policies.known(tx, scheme, day).rules
            found = distribution(tx, day, held(scheme, end_of_day(min(day, today), self.zone)))
        # What only another version of the policy knows stands behind the version's own classes.
        own = [one.class_key for one in rules.classes]
        keys = own + sorted(key for key in found if key is not None and key not in own)
        return pb.ClassDistribution(
            scheme=request.scheme,
            date=wire.to_date(day),
            denominator=sum(found.values()),
            classes=counts_to_proto(rules, [(key, found.get(key, 0)) for key in keys], call.language),
            none_count=found.get(None, 0),
        )
