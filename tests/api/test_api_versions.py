"""ApiVersions: the table, the client's software, and a version from the future."""

from __future__ import annotations

import pytest

from kwire.api.table import APIS
from kwire.errors import ErrorCode
from kwire.wire.codec import decode
from kwire.wire.header import read_response_header, request_header_bytes
from kwire.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from tests.api.served import Served


@pytest.mark.parametrize("version", range(5))
def test_the_table_is_listed(served: Served, version: int) -> None:
    request = ApiVersionsRequest(client_software_name="a", client_software_version="1.0")
    response = served.call(request, version)
    assert response.error_code == ErrorCode.NONE
    listed = [(row.api_key, row.min_version, row.max_version) for row in response.api_keys]
    assert listed == [(api.key, api.first, api.last) for api in APIS]


@pytest.mark.parametrize("version", [3, 4])
def test_the_clusters_features(served: Served, version: int) -> None:
    """Level 0 is told from v4 on only (KIP-1022)."""
    request = ApiVersionsRequest(client_software_name="a", client_software_version="1.0")
    response = served.call(request, version)
    finalized = {row.name: (row.min_version_level, row.max_version_level) for row in response.finalized_features}
    assert finalized["group.version"] == (1, 1)
    supported = {row.name: (row.min_version, row.max_version) for row in response.supported_features}
    assert supported.get("group.version") == ((0, 1) if version >= 4 else None)


def test_a_version_from_the_future_is_answered_in_version_0(served: Served) -> None:
    frame = request_header_bytes(18, 99, 7, "test") + b"whatever the future holds"
    reply = served.broker.dispatcher(memoryview(bytearray(frame)), served.peer)  # type: ignore[arg-type]  # a stand-in
    data = b"".join(reply)  # type: ignore[arg-type]  # parts of bytes
    correlation_id, offset = read_response_header(18, 0, data)
    response = decode(ApiVersionsResponse, 0, data, offset)
    assert correlation_id == 7
    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [(row.api_key, row.min_version, row.max_version) for row in response.api_keys] == [(18, 0, 4)]


@pytest.mark.parametrize("name", ["", "two words", "-dash", "dot."])
@pytest.mark.parametrize("field", ["client_software_name", "client_software_version"])
def test_software_names_have_a_form(served: Served, name: str, field: str) -> None:
    request = ApiVersionsRequest(**{"client_software_name": "a", "client_software_version": "1", field: name})
    response = served.call(request, 3)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert response.api_keys == []


def test_features_are_finalized(served: Served) -> None:
    """KIP-584; KIP-1022: only v4 may say that a feature can be at level 0."""
    for version in (3, 4):
        request = ApiVersionsRequest(client_software_name="test", client_software_version="1")
        response = served.call(request, version)
        finalized = {row.name: (row.min_version_level, row.max_version_level) for row in response.finalized_features}
        assert finalized["transaction.version"] == (2, 2)
        supported = {row.name: (row.min_version, row.max_version) for row in response.supported_features}
        assert supported.get("transaction.version") == (None if version == 3 else (0, 2))
        assert response.finalized_features_epoch >= 0
