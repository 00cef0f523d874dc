"""Every option of a broker, one table per theme, each option declared once.

Names, types, defaults and bounds are those of Apache Kafka 4.3, and of 3.9 for the options that 4.x dropped. Options
without an effect in kwire are here too: a server.properties of Kafka is read without complaint, and the reference page
says which ones they are.
"""

from __future__ import annotations

from kwire.config.broker_options import rest
from kwire.config.option import Option

THEMES: tuple[tuple[str, tuple[Option, ...]], ...] = (("Options", rest.OPTIONS),)
"""The title of each table, for the reference page, and its rows."""

BROKER_OPTIONS: dict[str, Option] = {option.name: option for _, options in THEMES for option in options}
"""Every row by name."""
