"""ListGroups (key 16), versions 0-5: the groups that this broker coordinates.

v4 states and a filter by them (KIP-518); v5 types likewise (KIP-848).
"""

from __future__ import annotations

import asyncio

from kwire.api.context import RequestContext
from kwire.wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse


def handle(
    request: ListGroupsRequest, context: RequestContext
) -> ListGroupsResponse | asyncio.Future[ListGroupsResponse]:
    """All groups, or those of the wanted states and types."""
    return context.services.groups.list_groups(request)
