from __future__ import annotations

import os
from pathlib import Path

import pytest

from kwire.wire import codec
from kwire.wire.codec import (
    DecodeError,
    EncodeError,
    decode,
    decode_from,
    decode_prefixed,
    encode,
    encode_parts,
    encode_prefixed,
    warm,
)
from kwire.wire.messages.api_versions import ApiVersionsRequest
from kwire.wire.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    LeaderIdAndEpoch,
    PartitionData,
)
from kwire.wire.messages.group_records import OffsetCommitKey, OffsetCommitValue
from kwire.wire.messages.metadata import MetadataResponse, MetadataResponsePartition, MetadataResponseTopic
from kwire.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from kwire.wire.messages.streams_group_heartbeat import StreamsGroupHeartbeatRequest
from kwire.wire.parts import FileRange, Part


def produce(records: object) -> ProduceRequest:
    partition = PartitionProduceData(index=0, records=records)  # type: ignore[arg-type]
    return ProduceRequest(acks=1, timeout_ms=5, topic_data=[TopicProduceData(name="t", partition_data=[partition])])


def fetched(*records: object) -> FetchResponse:
    partitions = [
        PartitionData(partition_index=i, error_code=0, high_watermark=1, records=part)  # type: ignore[arg-type]
        for i, part in enumerate(records)
    ]
    return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])


def joined(parts: list[Part]) -> bytes:
    return b"".join(part.read() if isinstance(part, FileRange) else part for part in parts)


@pytest.mark.parametrize("version", [3, 7, 9, 12])
@pytest.mark.parametrize("length", [0, 5, 200, 40000])
def test_records_are_views_of_the_frame(version: int, length: int) -> None:
    frame = bytearray(b"header" + encode(produce(b"r" * length), version))
    value = decode(ProduceRequest, version, memoryview(frame), 6)
    records = value.topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert bytes(records) == b"r" * length
    records[:] = b"R" * length
    assert frame.count(b"R") == length


@pytest.mark.parametrize("version", [4, 12])
def test_records_stay_parts_of_their_own(version: int, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDONLY)
    try:
        range_ = FileRange(fd, 2, 4)
        array, view = bytearray(b"array"), memoryview(b"view")
        value = fetched(range_, None, [array, range_, view], b"", ())
        parts = encode_parts(value, version, first=b"head")
        assert any(part is range_ for part in parts)
        assert any(part is array for part in parts)
        assert any(part is view for part in parts)
        assert isinstance(parts[0], bytes)
        assert parts[0].startswith(b"head")
        assert joined(parts) == b"head" + encode(value, version)
        assert encode(value, version) == encode(fetched(b"2345", None, b"array2345view", b"", b""), version)
    finally:
        os.close(fd)


def test_a_message_without_records_is_one_part() -> None:
    value = ApiVersionsRequest(client_software_name="n", client_software_version="1")
    assert encode_parts(value, 3, first=b"head") == [b"head" + encode(value, 3)]
    assert encode_parts(ApiVersionsRequest(), 0) == [b""]


def test_trailing_bytes_are_left_and_their_place_is_told() -> None:
    data = b"xx" + encode(produce(b"abc"), 9) + b"rest"
    value, position = decode_from(ProduceRequest, 9, data, 2)
    assert value == produce(b"abc")
    assert data[position:] == b"rest"


# FetchRequest v12 with nothing in it: the tag section is the last byte.
EMPTY_FETCH = encode(FetchRequest(max_wait_ms=0, min_bytes=0, topics=[]), 12)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ("02 05 01 aa 05 01 aa", "tagged field 5 comes after 5"),
        ("02 05 01 aa 04 01 aa", "tagged field 4 comes after 5"),
        ("01 05 02 aa", "claims 2 bytes, 1 are left"),
        ("01 00 03 02 61", "claims 3 bytes, 2 are left"),
        ("01 00 03 02 61 00", "does not fill its size"),
        ("01 00 01 02 61", "1 bytes, 0 are left"),
        ("ff ff ff ff ff 01", "longer than 32 bits"),
        ("80 80 80 80 80 00", "longer than 32 bits"),
        ("ff ff ff ff 1f", "longer than 32 bits"),
        ("ff ff ff ff 0f", "end in the middle"),
        ("02 05 01 aa", "end in the middle"),
        ("", "end in the middle"),
    ],
)
def test_damaged_tag_sections(tags: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(FetchRequest, 12, EMPTY_FETCH[:-1] + bytes.fromhex(tags))


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    """As Java's strings do it: a client that writes Latin-1 is served."""
    old = decode(FetchRequest, 0, bytes.fromhex("ffffffff 00000000 00000000 00000001 0004 636166e9 00000000"))
    assert [topic.topic for topic in old.topics] == ["caf\ufffd"]
    assert decode(FetchRequest, 12, EMPTY_FETCH[:-1] + bytes.fromhex("01 00 03 03 e962")).cluster_id == "\ufffdb"
    compact = decode(ApiVersionsRequest, 3, bytes.fromhex(f"05 636166e9 c901 {'e9' * 200} 00"))
    assert (compact.client_software_name, compact.client_software_version) == ("caf\ufffd", "\ufffd" * 200)


def test_unknown_tags_are_skipped() -> None:
    data = EMPTY_FETCH[:-1] + bytes.fromhex("03 00 02 02 61 05 01 aa 8001 00")
    value, position = decode_from(FetchRequest, 12, data)
    assert value.cluster_id == "a"
    assert position == len(data)


@pytest.mark.parametrize(
    ("version", "body", "reason"),
    [
        (0, "ffffffff 00000000 00000000 ffffffff", "array topics is null"),
        (0, "ffffffff 00000000 00000000 00000002 0000", "claims 2 elements of 6 bytes or more, 2 bytes are left"),
        (0, "ffffffff 00000000 00000000 7fffffff", "claims 2147483647 elements"),
        (0, "ffffffff 00000000 00000000 00000001 ffff 00000000", "null"),
        (0, "ffffffff 00000000 00000000 00000001 8000 00000000", "null"),
        (0, "ffffffff 00000000 00000000 00000001 0005 00000000", "claims 5 bytes, 4 are left"),
        (0, "ffffffff 00000000 00", "end in the middle"),
        (12, "ffffffff 00000000 00000000 00000000 00 00000000 00000000 00", "array topics is null"),
        (12, "ffffffff 00000000 00000000 00000000 00 00000000 00000000 02 00 01 00", "null"),
        (12, "ffffffff 00000000 00000000 00000000 00 00000000 00000000 02 81 80 04 01 00", "longer than 32767"),
        (12, "ffffffff 00000000 00000000 00000000 00 00000000 00000000 ff ff ff ff 0f", "claims 4294967294 elements"),
    ],
)
def test_damaged_lengths(version: int, body: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(FetchRequest, version, bytes.fromhex(body))


def test_the_byte_before_a_nullable_structure_is_null_or_present() -> None:
    value = StreamsGroupHeartbeatRequest(group_id="", member_id="", member_epoch=0, endpoint_information_epoch=0)
    data = bytearray(encode(value, 0))
    at = 16  # after two empty strings, two int32, two nulls and the rebalance timeout
    assert decode(StreamsGroupHeartbeatRequest, 0, data).topology is None
    data[at] = 2
    with pytest.raises(DecodeError, match="neither null nor present"):
        decode(StreamsGroupHeartbeatRequest, 0, data)


@pytest.mark.parametrize("count", [0, 1, 126, 127, 128, 20000])
def test_arrays_of_numbers_of_any_length_share_the_pack_of_their_neighbours(count: int) -> None:
    replicas = list(range(count))
    partition = MetadataResponsePartition(
        error_code=1, partition_index=2, leader_id=3, leader_epoch=4, replica_nodes=replicas, isr_nodes=[7]
    )
    topic = MetadataResponseTopic(error_code=0, name="t", partitions=[partition])
    value = MetadataResponse(brokers=[], topics=[topic])
    for version in (8, 12):
        assert decode(MetadataResponse, version, encode(value, version)) == value


def test_the_shapes_that_are_remembered_are_bounded() -> None:
    for count in range(600):
        topic = FetchTopic(topic="", partitions=[])
        assert topic.partitions == []
        value = MetadataResponse(
            brokers=[],
            topics=[
                MetadataResponseTopic(
                    error_code=0,
                    name="",
                    partitions=[
                        MetadataResponsePartition(
                            error_code=0,
                            partition_index=0,
                            leader_id=0,
                            replica_nodes=[0] * (count % 100),
                            isr_nodes=[0] * (count // 100),
                        )
                    ],
                )
            ],
        )
        encode(value, 12)
    encoder = codec._encoders[MetadataResponse][12]
    shapes = [value for name, value in encoder.__globals__.items() if name.startswith("shapes_")]
    assert shapes
    assert all(0 < len(table) <= 256 for table in shapes)


def test_tagged_structures_are_written_only_when_they_differ() -> None:
    plain = fetched(b"")
    touched = fetched(b"")
    assert touched.responses[0].partitions[0].current_leader == LeaderIdAndEpoch()
    assert encode(touched, 12) == encode(plain, 12)
    touched.responses[0].partitions[0].current_leader.leader_id = 3
    assert decode(FetchResponse, 12, encode(touched, 12)) == touched


def test_stored_records_have_their_number_in_front() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=1)
    assert encode_prefixed(key, 0) == bytes.fromhex("0001 000167 000174 00000001")
    assert decode_prefixed(OffsetCommitKey, encode_prefixed(key, 0)) == (key, 0)
    value = OffsetCommitValue(offset=5, metadata="m", commit_timestamp=9)
    assert encode_prefixed(value, 3)[:2] == b"\0\x03"
    assert decode_prefixed(OffsetCommitValue, memoryview(encode_prefixed(value, 3))) == (value, 3)
    with pytest.raises(DecodeError, match="record type 1, not 0"):
        decode_prefixed(OffsetCommitKey, b"\0\0\0\0\0\0\0\0\0\0")
    with pytest.raises(DecodeError, match="no room"):
        decode_prefixed(OffsetCommitValue, b"\0")
    with pytest.raises(DecodeError, match="versions 0 to 4"):
        decode_prefixed(OffsetCommitValue, b"\0\x09")


def test_warm_compiles_ahead() -> None:
    codec._decoders.pop(FetchRequest, None)
    codec._encoders.pop(FetchRequest, None)
    warm(FetchRequest, range(2))
    assert set(codec._decoders[FetchRequest]) == set(codec._encoders[FetchRequest]) == {0, 1}
    with pytest.raises(DecodeError):
        warm(FetchRequest, [99])


def test_records_of_another_type_are_refused() -> None:
    for wrong in ("text", 5, [5]):
        with pytest.raises(EncodeError):
            encode(produce(wrong), 9)
    assert FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=0).current_leader_epoch == -1
