"""Step 7 of the demonstration: an inquiry, a complaint and a fault report, from intake to a satisfied customer."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from cli.api import Api
from cli.mail import MailServer

# When the first call after a complaint is due in the demo, so that one can watch it fall due.
FIRST_CALL = "1s"
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.2
CHINA_TEA = "The pot of the tea set is cracked."

T = TypeVar("T")
Json = dict[str, Any]


def play(api: Api, mail: MailServer, console: Console, people: Mapping[str, str], store: str) -> Json:
    """Play the three matters at a store; answer what they came to."""
    desk = Desk(api, people, store)
    new, gold = (desk.member(class_key) for class_key in ("NEW", "GOLD"))
    desk.inquiry(new)
    result = {"inquiry": desk.last["state"]}
    result |= _complaint(desk, console, new, gold)
    result |= _fault(desk, mail, console, gold)
    return result


class Desk:
    """Calls ticketing as the people of the demo."""

    def __init__(self, api: Api, people: Mapping[str, str], store: str) -> None:
        self.api = api
        self.people = people
        self.store = store
        self.last: Json = {}

    def member(self, class_key: str) -> str:
        """Find a customer of a tier, whose file knows of it too: tickets are opened by the file."""
        token = self.people["service manager"]
        answer = self.api.get("/v1/schemes/loyalty/members", token, classKey=class_key, pageSize="1")
        customer = f"customers/{answer['members'][0]['name'].rpartition('/')[2]}"

        def known() -> bool | None:
            held = self.api.get(f"/v1/{customer}", self.people["specialist"]).get("classes", [])
            return any(each["classKey"] == class_key for each in held) or None

        until(known)
        return customer

    def open(self, customer: str, kind: str, subject: str, **told: Any) -> Json:  # noqa: ANN401  (JSON)
        """Open a ticket at the counter."""
        matter = {"type": kind, "channel": "COUNTER", "customer": customer, "store": self.store, "subject": subject}
        self.last = self.api.post("/v1/tickets", matter | told, self.people["specialist"])
        return self.last

    def act(self, ticket: Json, verb: str, who: str = "specialist", **told: Any) -> Json:  # noqa: ANN401  (JSON)
        """Act on a ticket."""
        acted: Json = self.api.post(f"/v1/{ticket['name']}:{verb}", told, self.people[who])
        return acted

    def inquiry(self, customer: str) -> None:
        """Answer an inquiry on the spot, in one call."""
        self.open(customer, "INQUIRY", "Opening hours", closeNow={"answer": "Nine to six.", "satisfied": True})


def _complaint(desk: Desk, console: Console, new: str, gold: str) -> Json:
    """Lead a GOLD customer's complaint to its end, beside a NEW customer's that waits."""
    waiting = desk.open(new, "COMPLAINT", "Late delivery")
    ticket = desk.open(gold, "COMPLAINT", "Cracked pot", description=CHINA_TEA)
    listed = desk.api.get("/v1/tickets", desk.people["specialist"])["tickets"]
    first = [one["name"] for one in listed].index(ticket["name"]) < [one["name"] for one in listed].index(
        waiting["name"]
    )
    table = Table(title="Two complaints of one severity, the most pressing first")
    for heading in ("number", "classes", "deadline", "class bonus", "stands at"):
        table.add_column(heading)
    for one in listed:
        parts = one["priority"]
        classes = ", ".join(one["classes"])
        table.add_row(one["number"], classes, parts["deadline"], parts["classBonus"], parts["orderTime"])
    console.print(table)

    desk.act(ticket, "acknowledge", restatement="The pot came cracked; yes, he says.", apologised=True)
    desk.act(ticket, "verifyFacts", finding="CONFIRMED", report="The crack shows on the photograph.")
    for what in ("A voucher of the same worth", "A new pot, sent today"):
        desk.act(ticket, "proposeSolution", description=what, explanation="It was packed badly.")
    desk.act(ticket, "answerSolution", solution=1, accepted=False, remark="He wants his tea.")
    desk.act(ticket, "answerSolution", solution=2, accepted=True)
    desk.act(ticket, "solve", solution=2, result="A new pot went out.")
    closed = desk.act(ticket, "confirmSatisfaction", satisfied=True, remark="He drinks again.")
    task = until(lambda: _due(desk, ticket))
    console.print(f"{closed['number']} is {closed['state']}; a call is {task['state']} for {task['owner']}")
    return {"gold_first": first, "complaint": closed["state"], "follow_up": task["state"]}


def _due(desk: Desk, ticket: Json) -> Json | None:
    tasks = desk.api.get("/v1/followUps", desk.people["specialist"], ticket=ticket["name"])["tasks"]
    return next((task for task in tasks if task["state"] == "DUE"), None)


def _fault(desk: Desk, mail: MailServer, console: Console, customer: str) -> Json:
    """Register a fault that was reported three hours ago: its two hours are over, and management hears of it."""
    now = dt.datetime.now(dt.UTC)
    reported, agreed = (_time(now + dt.timedelta(hours=hours)) for hours in (-3, 4))
    ticket = desk.open(customer, "REPAIR", "The kettle does not heat", channel="PHONE", reportTime=reported)
    breached = [clock["kind"] for clock in ticket["clocks"] if "breachTime" in clock]
    explained = desk.api.post(f"/v1/{ticket['name']}:explainSla", {}, desk.people["specialist"])
    for explanation in explained["explanations"]:
        console.print(" ".join(explanation["findings"]), highlight=False)
    alert = until(lambda: _alert(mail, ticket["number"]))
    console.print(f"[bold]{alert['Subject']}[/bold]\n{alert.get_content().strip()}\n", highlight=False)
    desk.act(ticket, "confirmReport", "engineer", agreedTime=agreed, remark="Agreed for this afternoon.")
    timeline = desk.api.get(f"/v1/{ticket['name']}/timeline", desk.people["specialist"])["entries"]
    for entry in timeline:
        told = " ".join(f"{name}={value}" for name, value in sorted(entry["details"].items()))
        console.print(f"  {entry['time']}  {entry['verb']:16} {entry['actor']:16} {told}", highlight=False)
    return {"breached": breached, "alert": alert["To"], "timeline": [entry["verb"] for entry in timeline]}


def _alert(mail: MailServer, number: str) -> EmailMessage | None:
    """Find the letter that tells of a limit that this ticket has passed."""
    letters = (letter for letter in mail.messages() if number in letter["Subject"])
    return next((letter for letter in letters if "@example.com" in letter["To"]), None)


def until(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something; raise TimeoutError when it takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        if time.monotonic() > end:
            raise TimeoutError("what should have happened did not, within a minute")
        time.sleep(POLL_SECONDS)
    return found


def _time(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
