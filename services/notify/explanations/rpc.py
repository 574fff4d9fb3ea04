"""The handler of ExplainMessage."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.database import Database
from services.notify.explanations.domain import findings
from services.notify.messages import repository
from services.notify.messages.convert import message_to_proto
from shuke.notify.v1 import messages_pb2 as pb


class Explanations:
    """Tells why messages stand where they stand."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def ExplainMessage(self, request: pb.ExplainMessageRequest, call: Call) -> pb.ExplainMessageResponse:
        """Explain one message, in the caller's language."""
        with self.database.read() as tx:
            message = repository.get(tx, names.identity(request.name))
            attempts = repository.attempts(tx, message)
        return pb.ExplainMessageResponse(
            message=message_to_proto(message, attempts),
            consent_basis=message.basis,
            findings=findings(message, attempts, call.language),
        )
