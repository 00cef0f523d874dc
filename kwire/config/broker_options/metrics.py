"""Metrics and telemetry."""

from __future__ import annotations

from kwire.config.option import (
    BOOLEAN,
    CLUSTER_WIDE,
    INT,
    LIST,
    LONG,
    LOW,
    READ_ONLY,
    STRING,
    Option,
    Range,
)

# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option("auto.include.jmx.reporter", BOOLEAN, "true", None, LOW, READ_ONLY,
           "Adds the JMX reporter though `metric.reporters` does not name it.", only="3.9"),
    Option("kafka.metrics.polling.interval.secs", INT, "10", Range(1), LOW, READ_ONLY,
           "How often those classes are given them, in seconds."),
    Option("kafka.metrics.reporters", LIST, "", None, LOW, READ_ONLY,
           "Classes that are given the metrics of the older library."),
    Option("metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", None, LOW, CLUSTER_WIDE,
           "Classes that are given the broker's metrics."),
    Option("metrics.num.samples", INT, "2", Range(1), LOW, READ_ONLY,
           "How many samples a rate is computed from."),
    Option("metrics.recording.level", STRING, "INFO", None, LOW, READ_ONLY,
           "The level of detail of the metrics: INFO, DEBUG or TRACE."),
    Option("metrics.sample.window.ms", LONG, "30000", Range(1), LOW, READ_ONLY,
           "The length of a sample in milliseconds."),
    Option("telemetry.max.bytes", INT, "1048576", Range(1), LOW, READ_ONLY,
           "The largest telemetry message a client may send, in bytes (KIP-714)."),
)
