"""The options that a log reads, typed, once per topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PRODUCER_COMPRESSION = "producer"
CREATE_TIME = "CreateTime"
LOG_APPEND_TIME = "LogAppendTime"
COMPACT = "compact"
DELETE = "delete"
_DEFAULT_AFTER_MAX_MS = 3_600_000
MAX_INT64 = (1 << 63) - 1
"""How options of type long say "never"."""

# Attribute -> option, both under Kafka's topic-level names.
_OPTIONS = {
    "segment_bytes": "segment.bytes",
    "segment_ms": "segment.ms",
    "segment_jitter_ms": "segment.jitter.ms",
    "segment_index_bytes": "segment.index.bytes",
    "index_interval_bytes": "index.interval.bytes",
    "retention_ms": "retention.ms",
    "retention_bytes": "retention.bytes",
    "max_message_bytes": "max.message.bytes",
    "message_downconversion_enable": "message.downconversion.enable",
    "message_timestamp_type": "message.timestamp.type",
    "message_timestamp_before_max_ms": "message.timestamp.before.max.ms",
    "message_timestamp_after_max_ms": "message.timestamp.after.max.ms",
    "compression_type": "compression.type",
    "compression_gzip_level": "compression.gzip.level",
    "compression_lz4_level": "compression.lz4.level",
    "compression_zstd_level": "compression.zstd.level",
    "file_delete_delay_ms": "file.delete.delay.ms",
    "flush_messages": "flush.messages",
    "flush_ms": "flush.ms",
    "delete_retention_ms": "delete.retention.ms",
    "min_compaction_lag_ms": "min.compaction.lag.ms",
    "max_compaction_lag_ms": "max.compaction.lag.ms",
    "min_cleanable_dirty_ratio": "min.cleanable.dirty.ratio",
    "preallocate": "preallocate",
}


class LogConfig:
    """A topic's values; sizes in bytes, times in ms. A changed option is a new object: `log.config = ...`."""

    __slots__ = (
        "append_time",
        "cleanup_policy",
        "compression_gzip_level",
        "compression_lz4_level",
        "compression_type",
        "compression_zstd_level",
        "delete_retention_ms",
        "file_delete_delay_ms",
        "flush_messages",
        "flush_ms",
        "index_interval_bytes",
        "is_compacted",
        "max_compaction_lag_ms",
        "max_message_bytes",
        "message_downconversion_enable",
        "message_timestamp_after_max_ms",
        "message_timestamp_before_max_ms",
        "message_timestamp_type",
        "min_cleanable_dirty_ratio",
        "min_compaction_lag_ms",
        "preallocate",
        "retention_bytes",
        "retention_ms",
        "segment_bytes",
        "segment_index_bytes",
        "segment_jitter_ms",
        "segment_ms",
        "takes_plain_batches",
    )

    append_time: bool
    """Whether records get the broker's time (`message.timestamp.type=LogAppendTime`)."""
    takes_plain_batches: bool
    """Whether nothing about single records needs a look, as long as the batch's own fields can be true."""
    cleanup_policy: frozenset[str]
    is_compacted: bool
    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    retention_ms: int
    retention_bytes: int
    max_message_bytes: int
    message_downconversion_enable: bool
    message_timestamp_type: str
    message_timestamp_before_max_ms: int
    message_timestamp_after_max_ms: int
    compression_type: str
    compression_gzip_level: int
    compression_lz4_level: int
    compression_zstd_level: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    delete_retention_ms: int
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int
    min_cleanable_dirty_ratio: float
    preallocate: bool

    @classmethod
    def from_options(cls, get: Callable[[str], Any]) -> LogConfig:
        """`get` returns a topic option's typed, effective value by its Kafka name."""
        config = cls()
        for attribute, option in _OPTIONS.items():
            setattr(config, attribute, get(option))
        # The older bound for both directions counts where the newer ones were left alone (KIP-937).
        difference_ms = get("message.timestamp.difference.max.ms")
        if difference_ms != MAX_INT64:
            if config.message_timestamp_before_max_ms == MAX_INT64:
                config.message_timestamp_before_max_ms = difference_ms
            if config.message_timestamp_after_max_ms == _DEFAULT_AFTER_MAX_MS:
                config.message_timestamp_after_max_ms = difference_ms
        below_minimum: int | None = get("internal.segment.bytes")
        if below_minimum is not None:
            config.segment_bytes = below_minimum
        config.cleanup_policy = frozenset(get("cleanup.policy"))
        config.is_compacted = COMPACT in config.cleanup_policy
        if config.is_compacted:
            # Only closed segments are compacted, so a lag that is bounded closes them in time (KIP-354).
            config.segment_ms = min(config.segment_ms, config.max_compaction_lag_ms)
            config.segment_jitter_ms = min(config.segment_jitter_ms, config.segment_ms)
        config.append_time = config.message_timestamp_type == LOG_APPEND_TIME
        config.takes_plain_batches = (
            config.compression_type == PRODUCER_COMPRESSION
            and not config.is_compacted
            and not config.append_time
            and config.message_timestamp_before_max_ms == MAX_INT64
        )
        return config

    def compression_level(self, codec: int) -> int | None:
        """The topic's level for the codec with this id; None for a codec without levels."""
        return {
            1: self.compression_gzip_level,
            3: self.compression_lz4_level,
            4: self.compression_zstd_level,
        }.get(codec)
