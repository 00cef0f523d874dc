"""The small text files of a log directory and of a partition directory.

```
recovery-point-offset-checkpoint   below this offset the log is on the device: recovery starts there
replication-offset-checkpoint      high watermarks
log-start-offset-checkpoint        only where DeleteRecords moved the start behind the first segment's base offset
cleaner-offset-checkpoint          first dirty offset: compaction has not seen what follows; such a log may have holes
    0\\n<count>\\n<topic> <partition> <offset>\\n...     an empty file is an empty table
meta.properties                    whose directory this is: broker.id, cluster.id (java.util.Properties)
.kafka_cleanshutdown               {"version":0,"brokerEpoch":-1}: last in a clean stop, deleted early in a start
partition.metadata                 version: 0\\ntopic_id: <22 characters>, no newline at the end
```
All but the marker are replaced by rename, so a crash leaves the old or the new one. Kafka reads and writes the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from kwire.ids import ZERO_UUID, TopicPartition, uuid_from_text, uuid_text
from kwire.log.files import Files

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
LOG_STARTS = "log-start-offset-checkpoint"
CLEANER_POINTS = "cleaner-offset-checkpoint"
META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
PARTITION_METADATA = "partition.metadata"

CLEAN_SHUTDOWN_TEXT = b'{"version":0,"brokerEpoch":-1}'
META_PROPERTIES_VERSION = "0"
"""Of brokers in ZooKeeper mode; 1 is KRaft's, with `node.id` and `directory.id`."""
_VERSION = "0"


class CorruptCheckpointError(ValueError):
    """The file is not of the format above."""


def render_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    """A checkpoint's bytes."""
    lines = [_VERSION, str(len(offsets))]
    lines += [f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()]
    return ("\n".join(lines) + "\n").encode()


def parse_offsets(data: bytes) -> dict[TopicPartition, int]:
    """A checkpoint's entries; CorruptCheckpointError."""
    if not data:
        return {}
    try:
        version, count, *lines = data.decode().split("\n")
        offsets = {
            TopicPartition(topic, int(partition)): int(offset)
            for topic, partition, offset in (line.split(" ") for line in lines if line)
        }
        if version != _VERSION or int(count) != len(offsets):
            raise ValueError(f"version {version}, {count} entries announced, {len(offsets)} there")
    except ValueError as error:
        raise CorruptCheckpointError(str(error)) from None
    return offsets


def read_offsets(files: Files, path: str) -> dict[TopicPartition, int]:
    """A checkpoint file's entries, none for a missing file; CorruptCheckpointError, OSError."""
    return parse_offsets(files.read_file(path) or b"")


def render_partition_metadata(topic_id: bytes) -> bytes:
    """`partition.metadata` for a topic id of 16 bytes."""
    return f"version: 0\ntopic_id: {uuid_text(topic_id)}".encode("ascii")


def parse_partition_metadata(data: bytes | None) -> bytes:
    """The topic id; the zero uuid for a missing or damaged file (the cluster's metadata then says which it is)."""
    for line in (data or b"").decode("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name == "topic_id":
            try:
                return uuid_from_text(value.strip())
            except ValueError:
                break
    return ZERO_UUID


def render_meta_properties(broker_id: int, cluster_id: str, now_ms: int) -> bytes:
    """`meta.properties` of version 0, as Kafka in ZooKeeper mode writes it; `now_ms` goes into its comment."""
    from datetime import UTC, datetime

    date = datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    return f"#\n#{date}\nbroker.id={broker_id}\nversion=0\ncluster.id={cluster_id}\n".encode()


def parse_meta_properties(data: bytes) -> dict[str, str]:
    """The properties; comments and lines without `=` are passed over."""
    pairs = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}
