"""Handlers of `shuke.tiering.v1.AnalyticsService`."""

from __future__ import annotations

from chassis import names, wire
from chassis.calendar import day_of, end_of_day
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import Problems
from chassis.settings import Chain
from services.tiering.analytics import convert
from services.tiering.analytics.domain import USUAL_LARGEST, USUAL_PERCENT, check_not_future, check_window, day_before
from services.tiering.analytics.repository import concentration, distribution, moved
from services.tiering.memberships.repository import held
from services.tiering.policies.repository import Policies
from shuke.tiering.v1 import tiering_pb2 as pb


class AnalyticsService:
    """Answers figures about classes and value."""

    def __init__(self, database: Database, policies: Policies, chain: Chain, clock: Clock) -> None:
        self.database = database
        self.policies = policies
        self.money = chain.money
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
        return convert.distribution_to_proto(request.scheme, day, found, rules, call.language)

    def GetMovementMatrix(self, request: pb.GetMovementMatrixRequest, call: Call) -> pb.MovementMatrix:
        """Count the customers per class held before some days and at their end, as known now."""
        problems, scheme = Problems(), names.identity(request.scheme)
        first = wire.read_date(problems, "first_date", request.first_date)
        last = wire.read_date(problems, "last_date", request.last_date)
        check_window(problems, first, last, day_of(self.clock(), self.zone))
        problems.refuse()
        before, after = (held(scheme, end_of_day(day, self.zone)) for day in (day_before(first), last))
        with self.database.read() as tx:
            rules = self.policies.known(tx, scheme, last).rules
            found = moved(tx, last, before, after)
        return convert.matrix_to_proto(request, found, rules, call.language)

    def GetValueConcentration(self, request: pb.GetValueConcentrationRequest, _call: Call) -> pb.ValueConcentration:
        """Tell what the customers with the highest net spend bring, as known now; by today where no day is named."""
        problems, today = Problems(), day_of(self.clock(), self.zone)
        as_of = wire.read_date(problems, "as_of", request.as_of) if request.HasField("as_of") else today
        check_not_future(problems, "as_of", as_of, today)
        problems.refuse()
        percent = request.top_percent or USUAL_PERCENT
        with self.database.read() as tx:
            found = concentration(tx, as_of, percent, request.largest_count or USUAL_LARGEST)
        return convert.concentration_to_proto(found, as_of, percent, self.money)
