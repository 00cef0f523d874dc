"""The tables as a whole: complete, consistent, documented, and honest about what has an effect."""

from __future__ import annotations

import ast
from pathlib import Path

from kwire.config import option as types
from kwire.config.broker_options import BROKER_OPTIONS, THEMES
from kwire.config.effects import READ_BY_BROKER, READ_BY_TOPIC, READ_HERE, READ_WITHOUT_EFFECT, without_effect
from kwire.config.group_options import GROUP_OPTIONS
from kwire.config.profiles import PROFILES
from kwire.config.reference import reference
from kwire.config.topic_options import TOPIC_OPTIONS

ROOT = Path(__file__).parents[2]
ALL_ROWS = [*BROKER_OPTIONS.values(), *TOPIC_OPTIONS, *GROUP_OPTIONS]


def test_each_option_is_declared_once() -> None:
    for rows in ([row for _, options in THEMES for row in options], TOPIC_OPTIONS, GROUP_OPTIONS):
        names = [row.name for row in rows]
        assert len(names) == len(set(names))
    # Apache Kafka 3.9.2 and 4.3.1 together have this many; those of kwire's own are named after it.
    kafkas = [name for name in BROKER_OPTIONS if not name.startswith("kwire.")]
    assert (len(kafkas), len(TOPIC_OPTIONS), len(GROUP_OPTIONS)) == (409, 37, 17)


def test_each_default_is_a_value_that_the_option_takes() -> None:
    for row in ALL_ROWS:
        row.parse(row.default)


def test_each_option_has_a_sentence() -> None:
    assert [row.name for row in ALL_ROWS if not row.doc.endswith(".") or len(row.doc) < 15] == []


def test_secrets_are_passwords() -> None:
    words = (".password", ".passphrase", ".secret", ".jaas.config")
    assert [row.name for row in ALL_ROWS if row.name.endswith(words) and row.type != types.PASSWORD] == []


def test_synonyms_are_broker_options_of_the_same_type() -> None:
    for row in ALL_ROWS:
        for name, factor in row.synonyms:
            assert factor in (1, 60_000, 3_600_000)
            same = BROKER_OPTIONS[name].type == row.type
            assert same or factor > 1, (row.name, name)


def test_a_topic_inherits_its_own_default() -> None:
    """What a topic option says as its default is what the broker's defaults give it."""
    for row in (*TOPIC_OPTIONS, *GROUP_OPTIONS):
        if row.synonyms:
            inherited = [
                (BROKER_OPTIONS[name].parse(BROKER_OPTIONS[name].default), factor) for name, factor in row.synonyms
            ]
            value, factor = next((value, factor) for value, factor in inherited if value is not None)
            assert (value * factor if factor != 1 else value) == row.parse(row.default), row.name


def test_profiles_name_options_and_give_reasons() -> None:
    for rows in PROFILES.values():
        for row in rows:
            BROKER_OPTIONS[row.option].parse(row.value)
            assert row.value != BROKER_OPTIONS[row.option].default
            assert row.reason.endswith(".")


def names_in_code() -> set[str]:
    """Every option name that stands as a literal in kwire, outside of the tables and the command line."""
    found: set[str] = set()
    for path in (ROOT / "kwire").rglob("*.py"):
        if path.relative_to(ROOT / "kwire").parts[0] in ("config", "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found & ({*BROKER_OPTIONS} | {row.name for row in TOPIC_OPTIONS})


def test_the_lists_of_effects_are_what_the_code_reads() -> None:
    """Whoever reads one more option adds it to kwire/config/effects.py and writes docs/options.md anew."""
    listed = READ_BY_BROKER | READ_BY_TOPIC | READ_WITHOUT_EFFECT
    assert names_in_code() - READ_HERE == listed - READ_HERE


def test_options_that_cannot_have_an_effect_say_why() -> None:
    assert without_effect("listeners") is None
    assert "KRaft" in (without_effect("controller.quorum.voters") or "")
    assert without_effect("sasl.kerberos.kinit.cmd") == ""


def test_the_reference_page_is_current() -> None:
    """`python -m kwire.config.reference docs/options.md` writes it."""
    assert (ROOT / "docs" / "options.md").read_text(encoding="utf-8") == reference()
