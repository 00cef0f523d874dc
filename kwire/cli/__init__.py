"""The command line: `kwire start` and the commands that speak the Kafka protocol to any broker."""

SOFTWARE_VERSION = "0.1"
"""What the commands say of themselves in ApiVersions (KIP-511)."""
