"""FindCoordinator: who coordinates a group, and the topic that this takes."""

from __future__ import annotations

import asyncio

import pytest

from kwire.cluster.metadata_cache import TopicImage
from kwire.coord.group.coordinator import GROUP_METADATA_TOPIC
from kwire.errors import ErrorCode, KafkaError
from kwire.wire.messages.find_coordinator import FindCoordinatorRequest
from tests.api.group_world import GroupWorld, partition
from tests.api.served import Served


@pytest.mark.parametrize("version", range(4))
def test_one_group(version: int) -> None:
    world = GroupWorld()
    response = asyncio.run(world.call(FindCoordinatorRequest(key="g"), version))
    assert (response.error_code, response.node_id) == (ErrorCode.NONE, 1)
    assert (response.host, response.port) == ("127.0.0.1", 9092)
    assert response.error_message == ("NONE" if version else "")


@pytest.mark.parametrize("version", [4, 5, 6])
def test_several_groups(version: int) -> None:
    world = GroupWorld()
    response = asyncio.run(world.call(FindCoordinatorRequest(coordinator_keys=["g", "", "h"]), version))
    assert [(found.key, found.error_code, found.node_id) for found in response.coordinators] == [
        ("g", ErrorCode.NONE, 1),
        ("", ErrorCode.NONE, 1),
        ("h", ErrorCode.NONE, 1),
    ]


def test_no_keys_need_no_topic() -> None:
    world = GroupWorld(topic_exists=False)
    response = asyncio.run(world.call(FindCoordinatorRequest(), 4))
    assert response.coordinators == []
    assert world.creations == 0


def test_the_topic_is_created_once_for_all_who_ask() -> None:
    world = GroupWorld(topic_exists=False)

    async def both() -> None:
        request = FindCoordinatorRequest(coordinator_keys=["g"])
        first, second = await asyncio.gather(world.call(request, 4), world.call(request, 4))
        assert first.coordinators[0].error_code == second.coordinators[0].error_code == ErrorCode.NONE
        await world.join()

    asyncio.run(both())
    assert world.creations == 1


@pytest.mark.parametrize("version", [3, 6])
def test_the_topic_cannot_be_created(version: int) -> None:
    world = GroupWorld(topic_exists=False)
    world.creation_error = KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR)
    request = FindCoordinatorRequest(key="g") if version < 4 else FindCoordinatorRequest(coordinator_keys=["g"])
    response = asyncio.run(world.call(request, version))
    answer = response if version < 4 else response.coordinators[0]
    assert (answer.error_code, answer.node_id, answer.host, answer.port) == (
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        -1,
        "",
        -1,
    )
    assert "INVALID_REPLICATION_FACTOR" in answer.error_message


def test_nobody_leads_the_partition() -> None:
    world = GroupWorld()
    leaderless = [partition(index, leader=-1) for index in range(4)]
    world.metadata.put_topic(TopicImage(GROUP_METADATA_TOPIC, bytes([9] * 16), leaderless))
    response = asyncio.run(world.call(FindCoordinatorRequest(key="g"), 2))
    assert response.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


@pytest.mark.parametrize(
    ("key_type", "code", "text"),
    [
        (2, ErrorCode.INVALID_REQUEST, "share key"),
        (9, ErrorCode.INVALID_REQUEST, "type 9"),
    ],
)
@pytest.mark.parametrize("version", [1, 6])
def test_other_kinds_of_coordinators(key_type: int, code: ErrorCode, text: str, version: int) -> None:
    world = GroupWorld(topic_exists=False)
    request = FindCoordinatorRequest(key_type=key_type)
    if version < 4:
        request.key = "x"
    else:
        request.coordinator_keys = ["x"]
    response = asyncio.run(world.call(request, version))
    answer = response if version < 4 else response.coordinators[0]
    assert answer.error_code == code
    assert text in answer.error_message
    assert world.creations == 0


@pytest.mark.parametrize("version", range(1, 7))
def test_a_transactional_id_creates_its_topic(served: Served, version: int) -> None:
    request = FindCoordinatorRequest(key_type=1)
    if version < 4:
        request.key = "x"
    else:
        request.coordinator_keys = ["x", ""]
    response = served.call(request, version)
    answer = response if version < 4 else response.coordinators[0]
    assert (answer.error_code, answer.node_id) == (ErrorCode.NONE, served.broker.broker_id)
    assert served.broker.services.metadata.partition_count("__transaction_state") == 50
