"""A client for the communication log."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.customer.tests.builders import Shop
from shuke.customer.v1 import interactions_pb2 as pb
from shuke.customer.v1 import interactions_pb2_grpc
from shuke.customer.v1.interactions_pb2 import Interaction

INTERACTIONS = interactions_pb2_grpc.InteractionServiceStub
# Who holds the contacts, unless a test says otherwise.
HOLDER = "S7"


class CommunicationLog:
    """Enters and reads contacts with customers of a running customer service."""

    def __init__(self, shop: Shop) -> None:
        self.call = shop.running.call

    def enter(
        self, customer: str, *, request_id: str = "", caller: dict[str, Any] | None = None, **told: Any
    ) -> Interaction:
        """Enter a contact: without more a call of the customer's, held by a member of staff."""
        interaction = Interaction(**{"kind": Interaction.CALL, "direction": Interaction.INBOUND, **told})
        request = pb.LogInteractionRequest(parent=customer, interaction=interaction, request_id=request_id)
        answer: Interaction = self.call(INTERACTIONS, "LogInteraction", request, **{"staff": HOLDER, **(caller or {})})
        return answer

    def page(self, customer: str, caller: dict[str, Any] | None = None, **wanted: Any) -> pb.ListInteractionsResponse:
        """Read a page of contacts."""
        request = pb.ListInteractionsRequest(parent=customer, **wanted)
        answer: pb.ListInteractionsResponse = self.call(INTERACTIONS, "ListInteractions", request, **caller or {})
        return answer

    def entries(self, customer: str, **wanted: Any) -> Sequence[Interaction]:
        """Read the contacts with a customer, the last one first."""
        return self.page(customer, **wanted).interactions
