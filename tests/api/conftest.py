"""Fixtures of the handlers' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.served import Served


@pytest.fixture
def served() -> Iterator[Served]:
    """A broker without a listener."""
    broker = Served()
    yield broker
    broker.close()
