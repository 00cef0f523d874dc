"""What a broker does in its first idle moments: load the groups, compile what the first clients will ask for.

Handlers are imported and codecs compiled when they are first used, so that a start costs little; compiling one takes up
to three milliseconds, which the first request would wait for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwire.api.context import Services
    from kwire.api.dispatch import Dispatcher

DELAY_S = 0.2
PAUSE_S = 0.01
GROUP_METADATA_TOPIC = "__consumer_offsets"
TRANSACTION_STATE_TOPIC = "__transaction_state"
SHARE_GROUP_STATE_TOPIC = "__share_group_state"

ROUTES = (
    *((3, version) for version in (12, 13)),
    *((0, version) for version in (9, 10, 11, 12, 13)),
    *((1, version) for version in (11, 12, 16, 17, 18)),
    *((2, version) for version in (7, 9, 10, 11)),
    (22, 4),
    (22, 5),
    (10, 4),
    (10, 6),
    (11, 9),
    (14, 5),
    (12, 4),
    (8, 9),
    (9, 9),
    (13, 5),
    (68, 1),
)
"""(API key, version) of what current clients use first."""


async def warm_up(dispatcher: Dispatcher, services: Services) -> None:
    """Go through all of it, with pauses in which requests are served."""
    await asyncio.sleep(DELAY_S)
    if GROUP_METADATA_TOPIC in services.metadata.topics:
        _ = services.groups  # Groups go on from where they were: their members must be heard, and expired.
    if TRANSACTION_STATE_TOPIC in services.metadata.topics:
        _ = services.transactions  # What was decided before the stop is carried out, and what is overdue aborted.
    if SHARE_GROUP_STATE_TOPIC in services.metadata.topics:
        _ = services.share  # The states are loaded before members ask for them.
    for api_key, version in ROUTES:
        await asyncio.sleep(PAUSE_S)
        dispatcher.warm(api_key, version)
