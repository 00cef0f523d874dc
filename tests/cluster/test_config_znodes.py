"""The order of keys in a settings znode is the order in which they were given; reading does not depend on it."""

from __future__ import annotations

from kwire.cluster.config_znodes import ConfigEntityZnode


def test_order_of_keys() -> None:
    given = {"b": "1", "a": "2"}
    data = ConfigEntityZnode.encode(given)
    assert data == b'{"version":1,"config":{"b":"1","a":"2"}}'
    assert ConfigEntityZnode.decode("/config/topics/t", b'{"config":{"a":"2","b":"1"},"version":1}') == given
