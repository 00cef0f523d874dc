"""The fixtures that kwire gives to its users serve its own tests too, whether or not kwire is installed here."""

from __future__ import annotations

from kwire.testing.plugin import kwire_broker, kwire_options, kwire_session_broker, kwire_session_options

pytest_plugins = ["pytester"]

__all__ = ["kwire_broker", "kwire_options", "kwire_session_broker", "kwire_session_options"]
