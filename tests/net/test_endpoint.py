"""The reply that ends a connection is told from all others."""

from __future__ import annotations

from kwire.net.endpoint import CLOSE, Close


def test_close_is_no_response() -> None:
    assert CLOSE is Close.CLOSE
    assert CLOSE is not None
    assert not isinstance(CLOSE, list | tuple)
