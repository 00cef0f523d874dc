"""What an option is: its type, what values it takes, how its text is read and written.

An option's value travels as text (server.properties, the command line, IncrementalAlterConfigs, a znode) and is read
by the rules of apache/kafka `ConfigDef.parseType`: surrounding space is dropped, booleans are `true` or `false` in any
case, a list is split at commas, numbers are Java's. A bound or an enumeration is data with two questions: does it
accept this value, and how is that said to a person.

The tables are imported by every start, so a row is a NamedTuple and a type is a plain int.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any, Final

from kwire.named_tuple import NamedTuple

# The numbers are those of DescribeConfigs' `configType` (KIP-569).
BOOLEAN: Final = 1
STRING: Final = 2
INT: Final = 3
SHORT: Final = 4
LONG: Final = 5
DOUBLE: Final = 6
LIST: Final = 7
CLASS: Final = 8
PASSWORD: Final = 9

TYPE_NAMES: Final = ("UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD")

HIGH: Final = "high"
MEDIUM: Final = "medium"
LOW: Final = "low"

READ_ONLY: Final = "read-only"
"""Takes effect at the next start only."""
PER_BROKER: Final = "per-broker"
"""May be altered while the broker runs, for one broker at a time (KIP-226)."""
CLUSTER_WIDE: Final = "cluster-wide"
"""May be altered while the broker runs, for one broker or as the cluster's default (KIP-226)."""

_BITS = {SHORT: 15, INT: 31, LONG: 63}
_DOUBLE = r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[dDfF]?)"


class ConfigError(ValueError):
    """A value or a name that a configuration cannot have; the text names the option and what is accepted.

    `option` is the name as it was given.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
        self.message = message


class Valid(ABC):
    """The values that an option takes, beyond its type: data with two questions."""

    __slots__ = ()

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Whether a value of the option's type, never None, is one of them."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The same for a person: `at least 1`, `one of none, requested, required`."""


class Range(Valid):
    """Numbers from `low` to `high`, both included; `also` is one more number that is taken."""

    __slots__ = ("also", "high", "low")

    def __init__(self, low: float, high: float | None = None, also: int | None = None) -> None:
        self.low = low
        self.high = high
        self.also = also

    def accepts(self, value: Any) -> bool:
        return value == self.also or bool(value >= self.low and (self.high is None or value <= self.high))

    @property
    def text(self) -> str:
        bounds = f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"
        return bounds if self.also is None else f"{bounds}, or {self.also}"


class OneOf(Valid):
    """One of some words; for a list, each element is."""

    __slots__ = ("ignore_case", "words")

    def __init__(self, words: tuple[str, ...], ignore_case: bool = False) -> None:
        self.words = words
        self.ignore_case = ignore_case

    def accepts(self, value: Any) -> bool:
        if isinstance(value, list):
            return all(self.accepts(element) for element in value)
        return value in self.words or (self.ignore_case and value.lower() in (word.lower() for word in self.words))

    @property
    def text(self) -> str:
        return "one of " + ", ".join(self.words)


class NonEmpty(Valid):
    """A text that holds something."""

    __slots__ = ()

    def accepts(self, value: Any) -> bool:
        return bool(value)

    @property
    def text(self) -> str:
        return "not empty"


class Matching(Valid):
    """A text, or each element of a list, of a given form; `pattern` is a regular expression for the whole."""

    __slots__ = ("form", "pattern")

    def __init__(self, pattern: str, form: str) -> None:
        self.pattern = pattern
        self.form = form

    def accepts(self, value: Any) -> bool:
        elements = value if isinstance(value, list) else [value]
        return all(re.fullmatch(self.pattern, element) for element in elements)

    @property
    def text(self) -> str:
        return self.form


class Option(NamedTuple):
    """One option, under Kafka's name.

    `default` is the text that DescribeConfigs shows, None for Kafka's null. `only` is "3.9" or "4.3" where only that
    line of Kafka has the option, else "". `synonyms` are the options that stand in for this one, highest first,
    itself included; the factor turns the synonym's unit into this option's (hours into milliseconds).
    """

    name: str
    type: int
    default: str | None
    valid: Valid | None
    importance: str
    update_mode: str
    doc: str
    internal: bool = False
    only: str = ""
    synonyms: tuple[tuple[str, int], ...] = ()

    @property
    def sensitive(self) -> bool:
        """Whether the value must never be shown: passwords and keys."""
        return self.type == PASSWORD

    def parse(self, text: str | None) -> Any:
        """The typed value of a text, checked against the bounds; None stays None.

        Raises ConfigError that names the option, the text (unless sensitive) and what is accepted.
        """
        if text is None:
            return None
        try:
            value = _read(self.type, text)
        except ValueError:
            raise ConfigError(self.name, self._refusal(text)) from None
        if self.valid is not None and not self.valid.accepts(value):
            raise ConfigError(self.name, self._refusal(text))
        return value

    def accepted(self) -> str:
        """What the option takes, for a person: `an integer, at least 1`."""
        kind = _KINDS[self.type]
        return f"{kind}, {self.valid.text}" if self.valid is not None else kind

    def _refusal(self, text: str) -> str:
        shown = "the given value" if self.sensitive else repr(text)
        return f"{self.name}: {shown} is not accepted; it takes {self.accepted()}"


_KINDS = {
    BOOLEAN: "true or false",
    STRING: "a text",
    INT: "an integer of 32 bits",
    SHORT: "an integer of 16 bits",
    LONG: "an integer of 64 bits",
    DOUBLE: "a number",
    LIST: "a list separated by commas",
    CLASS: "the name of a class",
    PASSWORD: "a secret text",
}


def _read(kind: int, text: str) -> Any:
    """The value of a text by its type alone; ValueError when it is not of the type."""
    if kind == PASSWORD:
        return text
    text = text.strip()
    if kind in (STRING, CLASS):
        return text
    if kind == LIST:
        return [part.strip() for part in text.split(",")] if text else []
    if kind == BOOLEAN:
        word = text.lower()
        if word not in ("true", "false"):
            raise ValueError(text)
        return word == "true"
    if kind == DOUBLE:
        if not re.fullmatch(_DOUBLE, text):
            raise ValueError(text)
        return float(text.rstrip("dDfF"))
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(text)
    number = int(text)
    if not -(1 << _BITS[kind]) <= number < 1 << _BITS[kind]:
        raise ValueError(text)
    return number


def value_text(kind: int, value: Any) -> str | None:
    """The text of a typed value, as apache/kafka `ConfigDef.convertToString` writes it."""
    if value is None:
        return None
    if kind == BOOLEAN:
        return "true" if value else "false"
    if kind == LIST:
        return ",".join(value)
    if kind == DOUBLE:
        return java_double_text(value)
    return str(value)


def java_double_text(value: float) -> str:
    """A double as Java's `Double.toString` writes it: `0.5`, `1.0E10`, `1.7976931348623157E308`."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    mantissa, _, exponent = f"{value:.16e}".partition("e")
    shortest = repr(float(value))
    if "e" in shortest:
        mantissa, _, exponent = shortest.partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"
    sign = "-" if value < 0 else ""
    digits = shortest.lstrip("-").replace(".", "").strip("0")
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{int(exponent)}"


def nearest(name: str, known: list[str]) -> str:
    """A clause with the known names most like `name`: ` (did you mean log.dirs?)`, or nothing."""
    from difflib import get_close_matches  # 3 ms, and only a mistake needs it

    close = get_close_matches(name, known, n=3, cutoff=0.7)
    return f" (did you mean {' or '.join(close)}?)" if close else ""
