"""Proof against Apache Kafka that the data directories are the same: real jars, real files, both ways."""
