"""Images are values; a change replaces them."""

from __future__ import annotations

import pytest

from kwire.cluster.metadata_cache import BrokerImage, MetadataCache, PartitionImage, TopicImage
from kwire.config.endpoints import Endpoint
from kwire.errors import ErrorCode, KafkaError
from kwire.ids import ZERO_UUID

ID = b"\x01" * 16


def partition(index: int, leader: int = 1) -> PartitionImage:
    return PartitionImage(index, leader, 0, [1, 2], [1], 0)


def test_topics_by_name_and_id() -> None:
    cache = MetadataCache()
    topic = TopicImage("t", ID, [partition(0)], {"a": "b"})
    cache.put_topic(topic)
    assert cache.topic_by_id(ID) is topic
    assert cache.partition("t", 0) is topic.partitions[0]
    assert (cache.partition_count("t"), cache.partition_count("nix")) == (1, 0)
    for name, index in (("t", 1), ("t", -1), ("nix", 0)):
        with pytest.raises(KafkaError) as refused:
            cache.partition(name, index)
        assert refused.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    cache.remove_topic("t")
    cache.remove_topic("t")
    assert cache.topic_by_id(ID) is None
    assert cache.topic_names == {}


def test_topics_without_an_id_are_not_found_by_it() -> None:
    cache = MetadataCache()
    cache.put_topic(TopicImage("old", ZERO_UUID, [partition(0)]))
    assert cache.topic_by_id(ZERO_UUID) is None
    cache.remove_topic("old")
    assert cache.topics == {}


def test_a_change_makes_another_image() -> None:
    before = TopicImage("t", ID, [partition(0), partition(1)], {"a": "b"})
    before.derived["kept"] = 1
    after = before.with_partitions([partition(1, leader=2), partition(2)])
    assert [row.leader for row in after.partitions] == [1, 2, 1]
    assert [row.leader for row in before.partitions] == [1, 1]
    assert (after.overrides, after.derived) == ({"a": "b"}, {})
    assert before.with_overrides({}).partitions == before.partitions
    with pytest.raises(AssertionError):
        before.with_partitions([partition(5)])


def test_internal_topics() -> None:
    assert TopicImage("__consumer_offsets", ID, []).is_internal
    assert not TopicImage("_consumer_offsets", ID, []).is_internal


def test_brokers() -> None:
    cache = MetadataCache()
    endpoint = Endpoint("A", "h", 1, "PLAINTEXT")
    cache.set_brokers([BrokerImage(2, [endpoint], "r", 7), BrokerImage(1, [], None, 8)])
    assert list(cache.brokers) == [1, 2]
    assert cache.brokers[2].endpoints == {"A": endpoint}
    assert cache.offline_replicas(PartitionImage(0, 1, 0, [3, 1, 4], [1], 0)) == [3, 4]
    generation = cache.generation
    cache.set_brokers([])
    assert cache.generation > generation


def test_partitions_are_equal_by_their_fields() -> None:
    assert partition(0) == partition(0)
    assert partition(0) != partition(0, leader=2)
    assert partition(0) != 0
    assert "leader=1" in repr(partition(0))
    assert "BrokerImage(1" in repr(BrokerImage(1, [], None, 0))


def test_versions_of_the_topics() -> None:
    """What a group coordinator goes by: something has changed, and whether a topic is new."""
    cache = MetadataCache()
    cache.put_topic(TopicImage("t", ID, [partition(0)]))
    first = cache.new_topics_version
    assert first == cache.topics_version > 0
    cache.put_topic(TopicImage("t", ID, [partition(0), partition(1)]))
    assert (cache.topics_version > first, cache.new_topics_version) == (True, first)
    before = cache.topics_version
    cache.remove_topic("nix")
    assert cache.topics_version == before
    cache.remove_topic("t")
    assert cache.topics_version > before
    cache.put_topic(TopicImage("t", ID, [partition(0)]))
    assert cache.new_topics_version == cache.topics_version


def test_racks_of_a_topics_partitions() -> None:
    cache = MetadataCache()
    cache.set_brokers([BrokerImage(1, [], "b", 1), BrokerImage(2, [], "a", 2), BrokerImage(3, [], None, 3)])
    replicas = [[1, 2], [3], [9, 1]]
    cache.put_topic(TopicImage("t", ID, [PartitionImage(i, 1, 0, r, r, 0) for i, r in enumerate(replicas)]))
    assert cache.partition_racks("t") == [["a", "b"], [], ["b"]]
    assert cache.partition_racks("nix") == []
