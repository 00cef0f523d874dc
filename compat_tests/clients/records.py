"""The records that every client writes, the same in every run, and the comparison of what comes back."""

from __future__ import annotations

import base64
import random
from typing import Any

from compat_tests.clients.catalog import Client

Record = dict[str, Any]
RECORDS_PER_CODEC = 60
STEP_MS = 1000
WORDS = ["offset", "leader", "epoch", "replica", "Partition", "größer", "日本", "0123456789", "{}", "segment"]


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _text(chance: random.Random, words: int) -> bytes:
    return " ".join(chance.choice(WORDS) for _ in range(words)).encode()


def _value(chance: random.Random, index: int, client: Client) -> bytes | None:
    """Empty, absent, short, long, compressible and random values, where the client can write them."""
    if not client.can("values"):
        return b"%d" % index
    if index % 12 == 5 and client.can("tombstones"):  # never where the key is null, too: some clients refuse that
        return None
    if index % 20 == 4 and client.can("empty"):
        return b""
    if index == 7:
        return _text(chance, 20_000)  # more than one block of any codec
    if index % 5 == 0 and client.can("binary"):
        return chance.randbytes(chance.randrange(1, 3000))
    return b"%d " % index + _text(chance, chance.randrange(1, 200))


def _key(chance: random.Random, index: int, client: Client) -> bytes | None:
    if not client.can("values"):
        return None
    if index % 3 == 0:
        return None if client.can("null keys") else b""
    return chance.randbytes(8) if client.can("binary") and index % 7 == 0 else b"key-%d" % (index % 10)


def _headers(chance: random.Random, index: int, client: Client) -> list[list[str | None]]:
    if index % 4 or not client.can("headers"):
        return []
    if not client.can("binary headers"):
        return [["source", _encoded(b"matrix")], ["index", _encoded(b"%d" % index)]]
    # Equal names stand together: some clients group them.
    return [
        ["trace", _encoded(chance.randbytes(16))],
        ["trace", _encoded(b"again")],
        ["last", "" if client.can("empty") else _encoded(b"0")],
    ]


def records_of(client: Client, codec: str, start_ms: int, *, timestamps: bool = False) -> list[Record]:
    """What `client` writes with `codec`: no more than it can express.

    Timestamps go up from start_ms in steps of STEP_MS; `timestamps` sets them even if the client cannot.
    """
    chance = random.Random(f"{client.name} {codec}")
    records = []
    for index in range(RECORDS_PER_CODEC):
        record: Record = {
            "k": _encoded(_key(chance, index, client)),
            "v": _encoded(_value(chance, index, client)),
            "h": _headers(chance, index, client),
        }
        if timestamps or client.can("timestamps"):
            record["t"] = start_ms + index * STEP_MS
        records.append(record)
    return records


def differences(sent: list[Record], got: list[Record], reader: Client) -> str:
    """The first difference in words, or an empty text when `got` is exactly `sent` at offsets 0, 1, 2..."""
    if len(sent) != len(got):
        return f"{len(sent)} records written, {len(got)} read"
    for index, (wanted, read) in enumerate(zip(sent, got, strict=True)):
        if read["o"] != index:
            return f"offset {read['o']} where {index} was expected"
        fields = ["k", "v"] + ["h"] * reader.can("headers") + ["t"] * ("t" in wanted and reader.can("timestamps shown"))
        for field in fields:
            if wanted[field] != read.get(field):
                return f"record {index}: {field} was written as {wanted[field]!s:.60}, read as {read.get(field)!s:.60}"
    return ""


def by_partition(records: list[Record]) -> dict[int, list[Record]]:
    parts: dict[int, list[Record]] = {}
    for record in records:
        parts.setdefault(record["p"], []).append(record)
    return parts
