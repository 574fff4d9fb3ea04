"""Pages: each row once, and tokens that fit their own query only."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid
from chassis.paging import Pager, page_size
from shuke.tiering.v1.policies_pb2 import ListApprovalsRequest, ListPoliciesRequest

PAGER = Pager(bytes(range(32)))
CURSORS = st.lists(st.one_of(st.integers(), st.text()))


def asking(parent: str = "policies/loyalty", token: str = "", size: int = 0) -> ListPoliciesRequest:
    """Ask for a page of policies."""
    return ListPoliciesRequest(parent=parent, page_size=size, page_token=token)


def refuses(request: Message, pager: Pager = PAGER) -> bool:
    """Tell whether the request's token is refused as one that was not made for it."""
    try:
        pager.cursor(request)
    except Invalid as refused:
        reasons = [(violation.field, violation.reason, violation.metadata) for violation in refused.violations]
        return reasons == [("page_token", "PAGE_TOKEN_INVALID", {"field": "page_token"})]
    return False


@pytest.mark.parametrize(("requested", "size"), [(0, 50), (1, 1), (200, 200), (201, 200), (2**31 - 1, 200)])
def test_page_sizes(requested: int, size: int) -> None:
    """Without a wish a page has 50 rows, and never more than 200."""
    assert size == page_size(requested)


@given(CURSORS)
def test_a_token_gives_its_cursor_back(cursor: list[str | int]) -> None:
    """Whatever texts and numbers a cursor holds come back, also when the next page shall have another size."""
    token = PAGER.token(asking(size=10), cursor)
    assert cursor == PAGER.cursor(asking(token=token, size=20))
    assert token.isascii()
    assert not set(token) & set("+/=&?# ")


def test_the_first_page_has_no_cursor() -> None:
    """A request without a token begins at the start."""
    assert PAGER.cursor(asking()) is None


def test_a_token_of_another_query_is_refused() -> None:
    """Other arguments, or another method whose request has the same bytes, do not take the token."""
    token = PAGER.token(asking(), ["x"])
    assert not refuses(asking(token=token))
    assert refuses(asking(parent="policies/value", token=token))
    assert refuses(ListPoliciesRequest(page_token=PAGER.token(ListApprovalsRequest(), ["x"])))


def test_a_token_of_another_service_is_refused() -> None:
    """A token that was signed with another key is refused."""
    assert refuses(asking(token=PAGER.token(asking(), ["x"])), Pager(bytes(32)))


def test_a_token_that_was_tampered_with_is_refused() -> None:
    """Wherever a token is cut, and whichever of its characters is changed, it is refused."""
    token = PAGER.token(asking(), ["客户", 7])
    wrong = [token[:length] for length in range(1, len(token))]
    wrong += [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    wrong += [token + extra for extra in ("A", "=", "==", " ", "\n")]
    assert [one for one in wrong if not refuses(asking(token=one))] == []


@given(st.text(min_size=1))
def test_any_other_text_is_refused(token: str) -> None:
    """Whatever a caller sends as a token, the answer is a refusal and not a fault."""
    assert refuses(asking(token=token))


def test_the_field_may_have_another_name() -> None:
    """The violation names the field that the caller filled."""
    request = ListPoliciesRequest(parent="no token")
    with pytest.raises(Invalid) as refused:
        PAGER.cursor(request, "parent")
    assert [violation.field for violation in refused.value.violations] == ["parent"]


@given(rows=st.lists(st.integers(), unique=True).map(sorted), size=st.integers(1, 7))
def test_pages_give_every_row_once(rows: list[int], size: int) -> None:
    """Following the tokens gives every row once and in order; only the last page may be short, and has no token."""
    pages: list[list[int]] = []
    token = ""
    while True:
        after = PAGER.cursor(asking(token=token))
        found = [row for row in rows if after is None or row > int(after[0])][: size + 1]
        page, token = PAGER.page(asking(), found, size, lambda row: [row])
        pages.append(list(page))
        if not token:
            break
    assert rows == [row for page in pages for row in page]
    assert all(len(page) == size for page in pages[:-1])
    assert len(pages) == max(1, -(-len(rows) // size))
