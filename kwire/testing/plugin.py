"""pytest fixtures: a broker per test or per session.

    def test_it(kwire_broker):
        producer = Producer({"bootstrap.servers": kwire_broker.bootstrap_servers})

pytest loads this module in every run of whoever has kwire installed, so it imports nothing; the broker's code is
imported when the first test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kwire.testing.broker import KwireBroker


@pytest.fixture(scope="session")
def kwire_session_options() -> dict[str, str]:
    """Broker options for `kwire_session_broker`, by Kafka's names; override this fixture to set some."""
    return {}


@pytest.fixture
def kwire_options() -> dict[str, str]:
    """Broker options for `kwire_broker`, by Kafka's names; override this fixture to set some."""
    return {}


@pytest.fixture
def kwire_broker(kwire_options: dict[str, str]) -> Iterator[KwireBroker]:
    """A fresh, empty broker for this test alone."""
    from kwire.testing.broker import KwireBroker

    with KwireBroker(kwire_options) as broker:
        yield broker


@pytest.fixture(scope="session")
def kwire_session_broker(kwire_session_options: dict[str, str]) -> Iterator[KwireBroker]:
    """One broker for all tests of the session; what one test leaves in it the next one sees."""
    from kwire.testing.broker import KwireBroker

    with KwireBroker(kwire_session_options) as broker:
        yield broker
