from __future__ import annotations

from pathlib import Path

import pytest

from kwire.wire.messages import API_MODULES, request_class, response_class
from kwire.wire.model import model_of
from tests.golden.check import main, read_vectors
from tests.golden.messages_check import check, message_classes

GOLDEN = Path(__file__).parent.parent / "golden" / "messages.jsonl.gz"


def test_every_golden_vector_decodes_and_encodes_exactly() -> None:
    vectors = read_vectors(GOLDEN)
    problems = [problem for vector in vectors if (problem := check(vector))]
    assert problems == []
    assert len(vectors) == 3688


def test_every_declared_message_has_vectors_of_every_version() -> None:
    seen: dict[str, set[int]] = {}
    for vector in read_vectors(GOLDEN):
        seen.setdefault(vector["name"], set()).add(vector["version"])
    declared = {name: set(range(low, high + 1)) for name, (low, high) in valid_ranges().items()}
    assert declared == seen


def valid_ranges() -> dict[str, tuple[int, int]]:
    return {name: model_of(cls).valid for name, cls in message_classes().items()}


def test_the_api_table_and_the_declarations_say_the_same() -> None:
    assert list(API_MODULES) == list(range(93))
    for key, api in API_MODULES.items():
        for cls, kind in ((request_class(key), "Request"), (response_class(key), "Response")):
            model = model_of(cls)
            assert cls.__name__ == api.stem + kind
            assert cls.__module__ == f"kwire.wire.messages.{api.module}"
            assert model.key == key
            flexible = model.flexible[0] if model.flexible[0] <= model.flexible[1] else None
            assert flexible == api.flexible_since
        assert model_of(request_class(key)).valid == model_of(response_class(key)).valid


def test_unknown_api_keys_have_no_classes() -> None:
    for key in (-1, 93, 1000):
        with pytest.raises(KeyError):
            request_class(key)
        with pytest.raises(KeyError):
            response_class(key)


def test_every_message_says_what_it_is_for() -> None:
    assert [name for name, cls in message_classes().items() if not cls.__doc__] == []


def test_the_checker_counts_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = '{"name":"ResponseHeader","version":0,"kind":"full","json":{"correlationId":5},"hex":"00000005"}'
    wrong = [
        good.replace("00000005", "00000006"),
        good.replace("00000005", "0000000500"),
        good.replace("00000005", "000000"),
        good.replace("5}", "6}"),
        good.replace("ResponseHeader", "NoSuchHeader"),
    ]
    path = tmp_path / "vectors.jsonl"
    path.write_text(good + "\n")
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == "1 passed, 0 failed\n"
    path.write_text("\n".join([good, *wrong]) + "\n")
    assert main([str(path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 5 failed"
