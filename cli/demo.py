"""The demonstration: a year of real purchases, from tills to tiers, through the public HTTP API alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli import demo_notices, demo_tickets, demo_value
from cli.api import Api
from cli.dates import date_of
from cli.failures import Problem
from cli.mail import MailServer
from cli.online_retail import Plan, plan
from cli.online_retail_file import FILE
from cli.progress import Bar
from cli.replay import IN_FLIGHT, NANOS_PER_PENNY, PENCE, Outcome, receipts_in, replay
from cli.suite import Suite, free_port

# The chain's zone and money, and that nobody is written to without having agreed.
SETTINGS = {"SHUKE_CUSTOMER_SERVICE_OPT_IN": "true"}
CHAIN = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}
EXAMPLES = Path(__file__).parent / "example_policies"
# The example policies that the demo puts in force, in this order: the API, the key and the file of each.
POLICIES = (
    ("customer", "notice", "notice"),
    ("tiering", "loyalty", "loyalty"),
    ("tiering", "value", "value"),
    ("tiering", "benefits", "benefits"),
    ("notify", "loyalty", "tier_notice_rule"),
    ("notify", "tickets", "ticket_notice_rule"),
    ("ticketing", "sla", "ticketing_sla"),
    ("ticketing", "priority", "ticketing_priority"),
    ("ticketing", "queues", "ticketing_queues"),
    ("ticketing", "closing", "ticketing_closing"),
    ("ticketing", "follow-up", "ticketing_follow_up"),
)
TEMPLATE = "tier-notice"
SCHEME, VALUE_SCHEME = "loyalty", "value"
DATES = (dt.date(2011, 3, 31), dt.date(2011, 6, 30), dt.date(2011, 9, 30), dt.date(2011, 12, 9))
# The people of the demo, who work for the whole chain: staff code and role of each.
PEOPLE = {
    "author": ("M-0001", "marketing"),
    "reviewer": ("D-0001", "department_manager"),
    "approver": ("C-0001", "centre_director"),
    "manager": ("S-0001", "store_manager"),
    "service manager": ("V-0001", "service_manager"),
    "specialist": ("A-0001", "specialist"),
    "engineer": ("E-0001", "engineer"),
}
# Who stands above whom, and who is reached by e-mail.
SUPERIORS = {"specialist": "V-0001", "engineer": "V-0001"}
REACHED = {"service manager": "v-0001@example.com"}
# The steps of an approval, and who takes each. What tickets go by is the service manager's to write.
STEPS = (("submit", "author"), ("review", "reviewer"), ("approve", "approver"), ("activate", "approver"))
AUTHORS = {"ticketing": "service manager"}
BAR_WIDTH = 40
MIB = 1024 * 1024


@dataclass(slots=True)
class Demo:
    """One run of the demonstration on a running suite."""

    suite: Suite
    mail: MailServer
    api: Api
    console: Console
    result: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Play all steps and write demo.json."""
        with self._timed("plan"):
            retail = plan(FILE)
        with self._timed("keys"):
            people, tills = self.keys(retail)
        with self._timed("policies"):
            self.policies(people)
        with self._timed("replay"):
            outcome = self._replay(retail, tills)
        with self._timed("net"):
            self._net(outcome, people["manager"])
        with self._timed("evaluations"):
            self._evaluate(people["approver"])
        with self._timed("value"):
            self._value(outcome, people["approver"])
        with self._timed("notices"):
            self._notices(people["approver"])
        with self._timed("tickets"):
            self.tickets(people, next(iter(tills)))
        self._write()

    def keys(self, retail: Plan) -> tuple[dict[str, str], dict[str, str]]:
        """Step 1: enter the stores and the people, and make keys for the people and for the till of each store."""
        self.console.rule("1 people and keys")
        self._directory(retail)

        def key(**wanted: object) -> str:
            answer = self.api.post("/v1/apiKeys", {"apiKey": wanted}, self.suite.admin_token)
            return str(answer["token"])

        people = {
            who: key(kind="STAFF", displayName=who, staff=staff, roles=[role], stores=["*"])
            for who, (staff, role) in PEOPLE.items()
        }
        tills = {
            store.code: key(kind="TILL", displayName=f"Till of {store.country}", roles=["till"], stores=[store.code])
            for store in retail.stores
        }
        self.console.print(f"{len(people)} staff keys, {len(tills)} till keys, one for each store")
        return people, tills

    def _directory(self, retail: Plan) -> None:
        """Enter stores and staff as an administrator does, for a key opens only while its member is active."""
        opening = date_of(retail.days[0].business_date)
        for store in retail.stores:
            shop = {"displayName": store.country, "openingDate": opening}
            self.api.post("/v1/stores", {"storeId": store.code, "store": shop}, self.suite.admin_token)
        for who, (staff, role) in PEOPLE.items():
            member = {"displayName": who, "roles": [role], "chainWide": True, "email": REACHED.get(who, "")}
            if who in SUPERIORS:
                member["superior"] = f"staff/{SUPERIORS[who]}"
            self.api.post("/v1/staff", {"staffId": staff, "staff": member}, self.suite.admin_token)
        self.console.print(f"{len(retail.stores)} stores and {len(PEOPLE)} members of staff in the directory")

    def policies(self, people: dict[str, str], told_from: dt.date = DATES[-1]) -> None:
        """Step 2: write, submit, review, approve and activate the examples, each step by its own person.

        Customers are told what gradings give from a day on: that of the last one.
        """
        self.console.rule("2 policies")
        templates = {TEMPLATE: example("tier_notice_template"), **example("ticket_notice_templates")}
        for code, template in templates.items():
            drafted = self.api.post("/v1/templates", {"code": code, "template": template}, people["author"])
            # An approved template is in force.
            self._approve(f"/v1/{drafted['name']}", STEPS[:-1], people)
        self.result["policies"] = {}
        for api, key, file in POLICIES:
            policy, author = example(file), people[AUTHORS.get(api, "author")]
            if file == "tier_notice_rule":
                policy["effectiveDate"] = date_of(told_from)
            if key == "follow-up":
                policy["followUp"]["rules"][0]["delays"][0] = demo_tickets.FIRST_CALL
            drafted = self.api.post(f"/v1/{api}/policies/{key}/versions", {"policy": policy}, author)
            self._approve(f"/v1/{api}/{drafted['name']}", STEPS, {**people, "author": author})
            self.result["policies"][file] = drafted["name"]

    def _approve(self, path: str, steps: tuple[tuple[str, str], ...], people: dict[str, str]) -> None:
        for verb, who in steps:
            stepped = self.api.post(f"{path}:{verb}", {}, people[who])
        self.console.print(f"{path.removeprefix('/v1/')} is {stepped['state']}: an example, not a recommendation")

    def _replay(self, retail: Plan, tills: dict[str, str]) -> Outcome:
        """Step 3: replay the file."""
        self.console.rule("3 a year of purchases")
        totals = retail.totals
        self.console.print(
            f"Online Retail (UCI, CC BY 4.0): {totals.invoices:,} invoices: {totals.sales:,} sales, "
            f"{totals.refunds:,} refunds, {totals.not_sales:,} not a sale. Names, phones and profits are generated."
        )
        with Bar(self.console, "receipts", receipts_in(retail)) as bar:
            outcome = replay(self.api, retail, tills.__getitem__, bar.advance, self.result["policies"]["notice"])
        counts = outcome.counts
        self.result["replay"] = {**counts, "not_a_sale": totals.not_sales, "linked_refunds": totals.linked_refunds}
        self.result["enrolled"] = counts["enrolled"]
        self.console.print(", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())))
        if outcome.errors:
            raise DemoError("\n".join(outcome.errors))
        return outcome

    def _net(self, outcome: Outcome, token: str) -> None:
        """Add up what the ledger answers for every customer."""

        def net(customer: str) -> int:
            answer = self.api.get(f"/v1/{customer}:spendSummary", token)["net"]
            return int(answer["units"]) * PENCE + int(answer["nanos"]) // NANOS_PER_PENNY

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            total = sum(pool.map(net, outcome.customers.values()))
        self.result["ledger_customers"] = len(outcome.customers)
        self.result["net"] = total / PENCE
        self.console.print(f"{len(outcome.customers):,} customers in the ledger, net GBP {total / PENCE:,.2f}")

    def _evaluate(self, token: str) -> None:
        """Step 4: grade all customers at four dates."""
        self.console.rule("4 tiers")
        self.result["runs"] = [run_figures(day, self.grade(SCHEME, day, token)) for day in DATES]
        show_runs(self.console, self.result["runs"])

    def grade(self, scheme: str, day: dt.date, token: str) -> dict[str, Any]:
        """Run an evaluation to its end; answer it."""
        started = self.api.post("/v1/evaluations:run", {"scheme": f"schemes/{scheme}", "asOf": date_of(day)}, token)
        with Bar(self.console, f"{scheme} as of {day}", None) as bar:
            evaluation: dict[str, Any] = self.api.wait(started, token, bar.follow)
        return evaluation

    def _value(self, outcome: Outcome, token: str) -> None:
        """Step 5: grade by value, and show who moved and how much few customers bring."""
        self.console.rule("5 value")
        numbers = {name: number for number, name in outcome.customers.items()}
        first, last = DATES[-2] + dt.timedelta(days=1), DATES[-1]
        self.result["value"] = {
            "score": demo_value.grade(self.grade(VALUE_SCHEME, last, token)),
            "matrix": demo_value.matrix(self.api, token, SCHEME, first, last),
            "concentration": demo_value.concentration(self.api, token, last, numbers),
        }
        demo_value.show(self.console, self.result["value"])

    def _notices(self, token: str) -> None:
        """Step 6: see every customer with a class told, as far as the customer allows it."""
        self.console.rule("6 notices")
        told = sum(self.result["runs"][-1]["ladder"].values())
        states = demo_notices.settle(self.api, token, self.console, told)
        letters = list(self.mail.messages())
        self.result["notices"] = {"states": states, "arrived": len(letters)}
        demo_notices.show(self.console, states, letters)

    def tickets(self, people: dict[str, str], store: str) -> None:
        """Step 7: a complaint and a fault report, from intake to a satisfied customer."""
        self.console.rule("7 tickets")
        self.result["tickets"] = demo_tickets.play(self.api, self.mail, self.console, people, store)

    def _write(self) -> None:
        self.result["seconds"] = {name: round(took, 1) for name, took in self.seconds.items()}
        self.result["rss_mib"] = {name: peak // MIB for name, peak in sorted(self.suite.peak_rss.items())}
        (self.suite.home / "demo.json").write_text(json.dumps(self.result, indent=2) + "\n")
        self.console.print(f"seconds {self.result['seconds']}, peak memory in MiB {self.result['rss_mib']}")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


@contextmanager
def playing(home: Path, console: Console, environ: Mapping[str, str] = os.environ) -> Iterator[Demo]:
    """Run a suite on a new folder, on free ports, with a mail server beside it, and stop both in the end."""
    mail = MailServer(home / "mail", free_port())
    suite = Suite(home, {**SETTINGS, **environ, **mail.settings}, chain=CHAIN, free_ports=True)
    try:
        suite.start()
        mail.start()
        with closing(Api(suite.url)) as api:
            yield Demo(suite, mail, api, console)
    finally:
        suite.stop()
        mail.stop()


def example(name: str) -> dict[str, Any]:
    """Read an example policy, or a set of example templates."""
    read: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    return read


class DemoError(Problem):
    """The demonstration did not do what it should."""


def run_figures(day: dt.date, evaluation: dict[str, Any]) -> dict[str, Any]:
    """Answer the figures of a run; who stands in a class has reached the bounds of all below it."""
    ladder = {held["classKey"]: int(held["count"]) for held in evaluation["classes"]}
    counts = list(ladder.values())
    bounds = {"500": 1, "2000": 2, "5000": 3}
    return {
        "as_of": day.isoformat(),
        "evaluation": evaluation["name"],
        "denominator": int(evaluation["denominator"]),
        "ladder": ladder,
        "none": int(evaluation["noneCount"]),
        "at_least": {bound: sum(counts[rank:]) for bound, rank in bounds.items()},
        "up": int(evaluation["upCount"]),
        "down": int(evaluation["downCount"]),
    }


def show_runs(console: Console, runs: list[dict[str, Any]]) -> None:
    """Show the classes at each date, as a table and as bars."""
    classes = list(runs[0]["ladder"])
    table = Table(title="Customers per class")
    for heading in ("as of", *classes, "none", "up", "down"):
        table.add_column(heading, justify="right")
    for run in runs:
        numbers = (*run["ladder"].values(), run["none"], run["up"], run["down"])
        table.add_row(run["as_of"], *(f"{number:,}" for number in numbers))
    console.print(table)
    most = max(max(run["ladder"].values()) for run in runs)
    for run in runs:
        console.print(run["as_of"])
        for name, number in run["ladder"].items():
            console.print(f"  {name:8} {'█' * round(number * BAR_WIDTH / most)} {number:,}", highlight=False)
