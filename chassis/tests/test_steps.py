"""The steps that every call passes, seen from outside: their order, and what each lets nobody learn."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import cast

import grpc
import pytest
import structlog
from structlog.testing import capture_logs

from chassis.batch import read_items
from chassis.calendar import SECOND
from chassis.call import UNKNOWN, Call
from chassis.errors import Aborted, DeadlinePassed, Problems, Refused, Unavailable
from chassis.steps import STEPS, admission
from chassis.tests.serving import Running, Sent, call_of, do_request, message, serving
from tests.running import Refusal

NOBODY: tuple[tuple[str, str], ...] = ()
PLANTED = "13800138000"


class Contended(Aborted):
    """A refusal of the tiny service's rules."""

    reason = "OPERATION_RUNNING"


@pytest.fixture
def running() -> Iterator[Running]:
    """Run the tiny service."""
    with serving() as started:
        yield started


def test_the_steps_and_their_reasons() -> None:
    """The order is data; whoever changes it reads here why it is so."""
    assert [(name, reason) for name, reason, _ in STEPS] == [
        ("context", "everything behind it logs and answers under the call's id"),
        ("call log", "sees the outcome of all that follows, refusals included"),
        ("errors", "nothing behind it can leak an exception's text"),
        ("admission", "what nobody waits for must cost nothing more"),
        ("authentication", "a stranger learns nothing, not even what is wrong with a request"),
        ("size", "the library's own refusal would not have the contract's form"),
        ("authorization", "who may not call learns nothing of the rules either"),
        ("validation", "handlers see only messages that keep the contract's shape"),
        ("access log", "no personal data leave before it is recorded who read them"),
    ]
    for name, _, step in STEPS:
        assert step.__name__ == name.replace(" ", "_")


def test_a_good_call_is_answered(running: Running) -> None:
    """Who may call and asks rightly gets the handler's answer."""
    said, _ = running.call("Do", do_request("hello"))
    assert said == "hello"


@pytest.mark.parametrize("sent", [b"", b"\xff\xff\xff", do_request("much too long").SerializeToString()])
def test_a_stranger_learns_nothing(running: Running, sent: bytes) -> None:
    """Without a token the answer is the same for any request, good, malformed or against the rules."""
    with pytest.raises(Refusal) as refused:
        running.call("Do", sent, NOBODY)
    assert (refused.value.code, refused.value.reason, refused.value.fields) == ("UNAUTHENTICATED", "TOKEN_MISSING", {})


@pytest.mark.parametrize("sent", [b"\xff\xff\xff", do_request("much too long").SerializeToString()])
def test_permission_comes_before_validation(running: Running, sent: bytes) -> None:
    """Who lacks the permission is told of that and of nothing else."""
    with pytest.raises(Refusal) as refused:
        running.call("Do", sent, running.token("tiny.things.free", "tiny.other.*"))
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
    assert refused.value.metadata == {"permission": "tiny.things.do"}
    assert refused.value.fields == {}


def test_a_foreign_store_comes_before_validation(running: Running) -> None:
    """Who may not act for the store is told of that and of nothing else; an unnamed store is nobody's."""
    headers = running.token("tiny.*", stores=("A", "B"))
    for store in ("C", "", "*"):
        with pytest.raises(Refusal) as refused:
            running.call("Do", do_request("much too long", store), headers)
        assert (refused.value.reason, refused.value.metadata) == ("STORE_FOREIGN", {"store": store})
    assert running.call("Do", do_request("mine", "B"), headers)[0] == "mine"


def test_a_method_without_a_store_asks_for_none(running: Running) -> None:
    """A method that is not bound to a store may be called for any."""
    assert running.call("Free", do_request("x", "C"), running.token("tiny.*"))[0] == "x"


def test_items_of_a_batch_are_checked_one_by_one(running: Running) -> None:
    """One item of a foreign store and one of a wrong shape cost the good ones nothing."""

    def work(request: Sent, call: Call) -> str:
        outcomes = read_items(call, request.requests, lambda item: str(cast("Sent", item).text))
        return " ".join(type(one).__name__ if isinstance(one, Refused) else one for one in outcomes)

    running.tiny.work = work
    items = [do_request("one"), do_request("two", "B"), do_request("much too long"), do_request("four")]
    said, _ = running.call("Batch", message("BatchRequest", requests=items), running.token("tiny.*"))
    assert said == "one StoreForeign Invalid four"


@pytest.mark.parametrize("sent", [b"\xff\xff\xff", b"\x12\x02\xc3\x28", b"\x0a\x05\x00"])
def test_malformed_bytes_are_the_caller_s_fault(running: Running, sent: bytes) -> None:
    """Bytes that are no such message, or texts that are no UTF-8, are refused as such and no fault of ours."""
    with capture_logs() as logs, pytest.raises(Refusal) as refused:
        running.call("Free", sent)
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "FIELDS_INVALID")
    assert list(refused.value.fields.values()) == ["MESSAGE_MALFORMED"]
    assert [line["event"] for line in logs] == ["call"]


@pytest.mark.parametrize("purpose", ["complaint", "A B", "7UP", "A" * 33, "COMPLAINT-1", "+447700900123"])
def test_a_purpose_is_a_code(running: Running, purpose: str) -> None:
    """What the header x-purpose says is kept with a read, so that it must be a short code and no free text."""
    headers = running.token("*", stores=("*",))
    with pytest.raises(Refusal) as refused:
        running.call("Free", do_request(), (*headers, ("x-purpose", purpose)))
    assert (refused.value.code, refused.value.fields) == ("INVALID_ARGUMENT", {"x-purpose": "PURPOSE_MALFORMED"})
    assert purpose not in refused.value.message
    running.tiny.work = lambda _request, call: call.purpose
    for good in ("COMPLAINT", "A", "A" * 32, "TIER_2"):
        assert running.call("Free", do_request(), (*headers, ("x-purpose", good)))[0] == good


def test_shape_rules_are_checked(running: Running) -> None:
    """A handler never sees a message against the contract's shape; the caller hears which field and why."""
    running.tiny.work = lambda _request, _call: pytest.fail("called")
    with pytest.raises(Refusal) as refused:
        running.call("Free", do_request("much too long"))
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.fields == {"text": "STRING_MAX_LEN"}


def test_a_fault_is_told_by_its_number_only(running: Running) -> None:
    """An exception's text stays with us: the caller gets a request id, and the log has the trace under it, once."""

    def work(_request: Sent, _call: Call) -> str:
        raise RuntimeError(f"secret {PLANTED}")

    running.tiny.work = work
    with capture_logs() as logs, pytest.raises(Refusal) as refused:
        running.call("Do", do_request(), (*running.token("*"), ("x-request-id", "req-9")))
    told = refused.value
    assert (told.code, told.reason, told.metadata) == ("INTERNAL", "INTERNAL_FAULT", {"request_id": "req-9"})
    assert "secret" not in repr(told)
    assert [line["event"] for line in logs] == ["fault", "call"]
    assert (logs[1]["code"], logs[1]["reason"]) == ("INTERNAL", "INTERNAL_FAULT")


def test_an_answer_that_is_no_message_is_a_fault(running: Running) -> None:
    """What goes wrong behind the handler is hidden as well."""
    running.tiny.work = lambda _request, _call: b"\xff"  # type: ignore[assignment,return-value]
    with pytest.raises(Refusal) as refused:
        running.call("Do", do_request())
    assert refused.value.reason == "INTERNAL_FAULT"


def test_refusals_keep_their_form(running: Running) -> None:
    """A rule's refusal reaches the caller with code, reason and metadata, in the language asked for."""

    def work(_request: Sent, _call: Call) -> str:
        raise Contended(name="operations/x")

    running.tiny.work = work
    for language, words in (("en", "operations/x is running already."), ("", "同类任务 operations/x 正在运行。")):
        with pytest.raises(Refusal) as refused:
            running.call("Do", do_request(), (*running.token("*"), ("accept-language", language)))
        assert (refused.value.code, refused.value.metadata) == ("ABORTED", {"name": "operations/x"})
        assert refused.value.localized.startswith(words)
        assert refused.value.message.startswith("operations/x is running already.")


def test_hundreds_of_violations_reach_the_caller(running: Running) -> None:
    """However much is wrong, the caller gets an answer of the contract's form that names the first fields."""

    def work(_request: Sent, _call: Call) -> str:
        problems = Problems()
        for index in range(2000):
            problems.add(f"purchase.lines[{index}].amount", "MONEY_TOO_FINE", currency="GBP", digits="2")
        problems.refuse()
        return ""

    running.tiny.work = work
    with pytest.raises(Refusal) as refused:
        running.call("Do", do_request(), (*running.token("*"), ("accept-language", "zh-CN")))
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "MONEY_TOO_FINE")
    assert len(refused.value.fields) >= 5
    assert next(iter(refused.value.fields)) == "purchase.lines[0].amount"


def test_work_past_its_deadline_is_not_started() -> None:
    """A call whose time was over while it waited for a thread costs no work and is told so."""
    begun, go = Event(), Event()
    done = []

    def work(request: Sent, _call: Call) -> str:
        done.append(request.text)
        begun.set()
        go.wait(10)
        return ""

    with serving(threads=1) as running, capture_logs() as logs:
        running.tiny.work = work
        headers = running.token("*")
        method = running.method("Do")
        first = method.future(do_request("first").SerializeToString(), metadata=headers, timeout=10)
        begun.wait(10)
        late = method.future(do_request("late").SerializeToString(), metadata=headers, timeout=0.05)
        assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        go.set()
        first.result(10)
    assert done == ["first"]
    assert {line["code"] for line in logs} <= {"OK", "DEADLINE_EXCEEDED"}


def test_admission_looks_at_the_time_left() -> None:
    """The step itself lets a call pass as long as somebody waits for it."""
    done = []
    with serving() as running:
        step = admission(UNKNOWN, lambda _request, _call: done.append(1), running.server.parts)
    step(b"", call_of(time_left=0.001))
    with pytest.raises(DeadlinePassed):
        step(b"", call_of(time_left=0))
    assert done == [1]


def test_every_answer_names_its_request(running: Running) -> None:
    """A visible id is echoed, anything else is replaced by one of ours; the time is the server's; errors have both."""
    headers = running.token("*")
    _, answer = running.call("Do", do_request(), (*headers, ("x-request-id", "till-7/0001")))
    assert answer["x-request-id"] == "till-7/0001"
    assert answer["x-server-time"] == str(running.clock.now // SECOND)
    made = [running.call("Do", do_request(), (*headers, ("x-request-id", bad)))[1] for bad in ("", "a b", "x" * 65)]
    assert all(len(answer["x-request-id"]) == 16 for answer in made)
    assert len({answer["x-request-id"] for answer in made}) == 3
    with pytest.raises(grpc.RpcError) as refused:
        running.method("Do")(b"", metadata=(("x-request-id", "till-7/0002"),))
    told = {str(key): value for key, value in cast("grpc.Call", refused.value).trailing_metadata()}
    assert (told["x-request-id"], told["x-server-time"]) == ("till-7/0002", str(running.clock.now // SECOND))


@pytest.mark.parametrize(
    ("accept", "words"), [(None, "缺少访问凭证"), ("zh-CN", "缺少"), ("en", "The call carries"), ("fr", "缺少")]
)
def test_the_language_is_chinese_unless_english_is_asked_for(running: Running, accept: str | None, words: str) -> None:
    """People read the language that they asked for first; programs read the same reason in all."""
    with pytest.raises(Refusal) as refused:
        running.call("Do", b"", (("accept-language", accept),) if accept else ())
    assert refused.value.localized.startswith(words)
    assert refused.value.message.startswith("The call carries no token.")


def test_a_call_is_one_line_of_the_log(running: Running) -> None:
    """Good or refused, a call is logged once, with what operations need and nothing of its content."""
    headers = running.token("*")
    with capture_logs() as logs:
        running.call("Do", do_request("ok"), (*headers, ("x-purpose", "COMPLAINT")))
        for text, store in ((PLANTED, "A"), ("ok", PLANTED)):
            with pytest.raises(Refusal):
                running.call("Do", do_request(text, store), headers)
        with pytest.raises(Refusal):
            running.call("Do", do_request(), (*headers, ("x-purpose", PLANTED)))
        with pytest.raises(Refusal):
            running.call("Do", do_request(), ())
    outcome = [(line["event"], line["code"], line["reason"], line["caller"]) for line in logs]
    assert outcome == [
        ("call", "OK", "", "apiKeys/7"),
        ("call", "INVALID_ARGUMENT", "FIELDS_INVALID", "apiKeys/7"),
        ("call", "PERMISSION_DENIED", "STORE_FOREIGN", "apiKeys/7"),
        ("call", "INVALID_ARGUMENT", "FIELDS_INVALID", "apiKeys/7"),
        ("call", "UNAUTHENTICATED", "TOKEN_MISSING", ""),
    ]
    assert all(line["method"] == "/test.tiny.v1.TinyService/Do" and line["ms"] >= 0 for line in logs)
    assert PLANTED not in repr(logs)


def test_a_thread_forgets_its_last_call() -> None:
    """What one call bound to the log does not show in the next one of the same thread."""
    seen = []

    def work(request: Sent, _call: Call) -> str:
        seen.append(dict(structlog.contextvars.get_contextvars()))
        structlog.contextvars.bind_contextvars(customer=request.text)
        return ""

    with serving(threads=1) as running:
        running.tiny.work = work
        for request_id in ("one", "two"):
            running.call("Do", do_request("x"), (*running.token("*"), ("x-request-id", request_id)))
    assert seen == [{"request_id": "one"}, {"request_id": "two"}]


def test_what_is_safe_is_tried_again_by_clients(running: Running) -> None:
    """The channel of our clients repeats a call that answered UNAVAILABLE, and no other."""
    tries = []

    def work(_request: Sent, _call: Call) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise Unavailable
        raise Contended

    running.tiny.work = work
    with pytest.raises(Refusal) as refused:
        running.call("Do", do_request())
    assert (refused.value.code, len(tries)) == ("ABORTED", 3)
