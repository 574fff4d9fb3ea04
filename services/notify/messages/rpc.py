"""Handlers of `shuke.notify.v1.MessageService`."""

from __future__ import annotations

from collections.abc import Mapping

from chassis import names
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems, Refused
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from chassis.validation import validate
from services.notify.messages import convert, repository
from services.notify.messages.domain import Draft, Message, State, accept, move, require_same, retry, template_code
from services.notify.messages.repository import Messages
from services.notify.templates.convert import values_from_proto
from services.notify.templates.domain import Value
from services.notify.templates.repository import Templates
from shuke.notify.v1 import messages_pb2 as pb


class MessageService:
    """Takes messages in, and tells what became of them; sending is the schedule's."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        messages: Messages,
        templates: Templates,
        chain: Chain,
        pager: Pager,
    ) -> None:
        self.calls = calls
        self.database = database
        self.messages = messages
        self.templates = templates
        self.chain = chain
        self.pager = pager

    def SendMessage(self, request: pb.SendMessageRequest, call: Call) -> pb.Message:
        """Take a message in."""
        draft, values = self._read(request, call)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Message:
            return convert.message_to_proto(self._take_in(tx, request, draft, values, now, new_id))

        return self.calls.once(call, request, pb.Message, work)

    def BatchSendMessages(self, request: pb.BatchSendMessagesRequest, call: Call) -> pb.BatchSendMessagesResponse:
        """Take messages in, each on its own."""
        result = pb.BatchSendMessagesResponse.Result

        def work(tx: Tx, now: int, new_id: NewId) -> pb.BatchSendMessagesResponse:
            def one(item: pb.SendMessageRequest) -> pb.BatchSendMessagesResponse.Result:
                try:
                    validate(item)
                    message = self._take_in(tx, item, *self._read(item, call), now, new_id)
                except Refused as refused:
                    return result(error=call.status(refused))
                return result(message=convert.message_to_proto(message))

            return pb.BatchSendMessagesResponse(results=map(one, request.requests))

        return self.calls.once(call, request, pb.BatchSendMessagesResponse, work)

    def _read(self, request: pb.SendMessageRequest, call: Call) -> tuple[Draft, dict[str, Value]]:
        problems = Problems()
        values = values_from_proto(problems, self.chain.money, self.chain.zone_info, request.values)
        problems.refuse()
        digest = self.messages.digest(convert.identity_of(request)) if request.business_key else b""
        return convert.draft_from_proto(request, call.principal.name, digest), values

    def _take_in(
        self,
        tx: Tx,
        request: pb.SendMessageRequest,
        draft: Draft,
        values: Mapping[str, Value],
        now: int,
        new_id: NewId,
    ) -> Message:
        known = repository.under(tx, [draft.business_key]) if draft.business_key else {}
        for message in known.values():
            require_same(message, draft.digest)
            return message
        template = self.templates.in_force(tx, names.identity(request.template))
        message = accept(draft, template, values, now, new_id())
        self.messages.add(tx, [(message, convert.content_to_bytes(request.values))])
        return message

    def GetMessage(self, request: pb.GetMessageRequest, call: Call) -> pb.Message:
        """Answer one message with its attempts."""
        with self.database.read() as tx:
            message = repository.get(tx, names.identity(request.name))
            return convert.message_to_proto(message, repository.attempts(tx, message))

    def ListMessages(self, request: pb.ListMessagesRequest, call: Call) -> pb.ListMessagesResponse:
        """List messages, the newest first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = (int(cursor[0]), str(cursor[1])) if cursor else None
        with self.database.read() as tx:
            found = repository.list_messages(tx, convert.wanted_from_proto(request), after=after, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda message: [message.create_time, message.id])
        return pb.ListMessagesResponse(messages=map(convert.message_to_proto, page), next_page_token=more)

    def CancelMessage(self, request: pb.CancelMessageRequest, call: Call) -> pb.Message:
        """End a message that is not being sent yet."""

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.Message:
            message = move(repository.get(tx, names.identity(request.name), lock=True), State.CANCELLED, now)
            repository.save(tx, message)
            return convert.message_to_proto(message)

        return self.calls.once(call, request, pb.Message, work)

    def RetryMessage(self, request: pb.RetryMessageRequest, call: Call) -> pb.Message:
        """Take the content of a message in anew."""

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Message:
            old = repository.get(tx, names.identity(request.name), lock=True)
            draft = retry(old, repository.retry_of(tx, old), call.principal.name)
            template = self.templates.in_force(tx, template_code(old))
            content = convert.fitting(self.messages.contents(tx, [old])[old.id] or b"", template.samples)
            message = accept(draft, template, self.messages.read(content), now, new_id())
            self.messages.add(tx, [(message, content)])
            return convert.message_to_proto(message)

        return self.calls.once(call, request, pb.Message, work)
