"""Handlers of `shuke.gateway.v1.LabelService`."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.call import Call
from chassis.errors import wrong
from chassis.paging import Pager, page_size
from shuke.gateway.v1 import labels_pb2 as pb


class LabelService:
    """Tells what the values of the contracts' enums are called; `labels` are in the order of the enums' names."""

    def __init__(self, labels: Sequence[pb.EnumLabels], pager: Pager) -> None:
        self.labels = labels
        self.pager = pager

    def ListLabels(self, request: pb.ListLabelsRequest, _call: Call) -> pb.ListLabelsResponse:
        """List labels, of one enum or of all."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = str(cursor[0]) if cursor else ""
        asked = [one for one in self.labels if request.enum_type in ("", one.enum_type)]
        if not asked:
            raise wrong("enum_type", "ENUM_UNKNOWN", enum_type=request.enum_type)
        rest = [one for one in asked if one.enum_type > after]
        page, more = self.pager.page(request, rest, size, lambda one: [one.enum_type])
        return pb.ListLabelsResponse(labels=page, next_page_token=more)
