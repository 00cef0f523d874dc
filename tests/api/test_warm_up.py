"""What a broker does in its first idle moments, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwire.api import warm_up as module
from tests.api.served import Served
from tests.api.share_client import joined
from tests.api.txn_client import TxnClient


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELAY_S", 0)
    monkeypatch.setattr(module, "ROUTES", ())


def warmed(path: Path) -> list[bool]:
    """Whether a broker over this directory has its groups, transactions and share groups after the warm-up."""
    served = Served(directories=[path])
    services = served.broker.services
    try:
        served.run(module.warm_up(served.broker.dispatcher, services))
        return [part is not None for part in (services._groups, services._transactions, services._share)]
    finally:
        served.close()


def test_what_has_no_topic_is_not_made(tmp_path: Path) -> None:
    assert warmed(tmp_path) == [False] * 3


def test_what_a_broker_coordinates_is_loaded(tmp_path: Path) -> None:
    served = Served(directories=[tmp_path])
    served.create_topic("t")
    joined(served, "t")
    TxnClient(served)
    served.close()
    assert warmed(tmp_path) == [True] * 3
