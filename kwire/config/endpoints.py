"""Listeners: reading `listeners`, `advertised.listeners` and the protocol map into endpoints.

The rules are those of apache/kafka `SocketServerConfigs` and `KafkaConfig.validateValues`: a listener is
`NAME://host:port`; names are upper case and distinct, ports too, except that one IPv4 and one IPv6 address may share
both (KIP-797); a name that is not a security protocol needs a row in `listener.security.protocol.map` (KIP-103).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kwire.config.option import ConfigError
from kwire.named_tuple import NamedTuple

SECURITY_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class Endpoint(NamedTuple):
    """One address to serve or to announce; host "" is every interface, IPv6 comes without its brackets."""

    listener_name: str
    host: str
    port: int
    security_protocol: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.listener_name}://{host}:{self.port}"


def parse_protocol_map(text: str) -> dict[str, str]:
    """Listener name -> security protocol of `listener.security.protocol.map`; ConfigError for anything else."""
    option = "listener.security.protocol.map"
    protocols: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, colon, protocol = (part.strip().upper() for part in pair.rpartition(":"))
        if not colon or not name:
            raise ConfigError(option, f"{option}: {pair!r} is not a pair NAME:PROTOCOL")
        if protocol not in SECURITY_PROTOCOLS:
            raise ConfigError(
                option, f"{option}: {pair!r} names an unknown protocol; there are {', '.join(SECURITY_PROTOCOLS)}"
            )
        if name in protocols:
            raise ConfigError(option, f"{option}: the listener {name} has two rows")
        protocols[name] = protocol
    return protocols


def parse_endpoints(option: str, texts: Iterable[str], protocols: Mapping[str, str]) -> list[Endpoint]:
    """The endpoints of `listeners` or `advertised.listeners`, in order.

    Raises ConfigError for a text that is not NAME://host:port, a port out of range, a name without a protocol.
    """
    return [_parse_endpoint(option, text, protocols) for text in texts]


def _parse_endpoint(option: str, text: str, protocols: Mapping[str, str]) -> Endpoint:
    name, separator, address = text.strip().partition("://")
    name = name.strip().upper()
    host, colon, port_text = address.rpartition(":")
    digits = port_text.removeprefix("-")
    if not (name and separator and colon and digits.isascii() and digits.isdigit() and _is_host(host)):
        raise ConfigError(option, f"{option}: {text!r} is not a listener; write NAME://host:port, PLAINTEXT://:9092")
    port = int(port_text)
    lowest = -1 if option == "advertised.listeners" else 0
    if not lowest <= port <= 65535:
        raise ConfigError(option, f"{option}: {text!r} has the port {port}; ports are 0 to 65535, 0 is any free one")
    if name not in protocols:
        hint = f"give it one in listener.security.protocol.map, like {name}:PLAINTEXT"
        raise ConfigError(option, f"{option}: the listener {name} has no security protocol; {hint}")
    return Endpoint(name, host.strip("[]"), port, protocols[name])


def _is_host(text: str) -> bool:
    """Whether a text can be a host: nothing, a name, an IPv4 address, an IPv6 one with or without brackets."""
    if text.startswith("["):
        return text.endswith("]") and ":" in text and _is_host(text[1:-1])
    return all(char.isascii() and (char.isalnum() or char in "-%._:") for char in text)


def check_listeners(endpoints: list[Endpoint]) -> None:
    """What `listeners` must hold to be served: something, and no name or port twice. Raises ConfigError."""
    option = "listeners"
    if not endpoints:
        raise ConfigError(option, f"{option}: at least one listener is needed, like PLAINTEXT://:9092")
    for position, endpoint in enumerate(endpoints):
        for other in endpoints[:position]:
            if _address_family(endpoint.host) | _address_family(other.host) == {4, 6}:
                continue
            if endpoint.port == other.port != 0:
                raise ConfigError(option, f"{option}: {other} and {endpoint} have the same port")
            if endpoint.listener_name == other.listener_name:
                raise ConfigError(option, f"{option}: {other} and {endpoint} have the same name")


def check_advertised(advertised: list[Endpoint], listeners: list[Endpoint]) -> None:
    """What may be announced: only names that are served, each once, with an address a client can reach."""
    option = "advertised.listeners"
    served = {endpoint.listener_name for endpoint in listeners}
    seen: set[str] = set()
    for endpoint in advertised:
        if endpoint.host in ("0.0.0.0", "::"):
            raise ConfigError(option, f"{option}: {endpoint} is every interface; name an address that clients reach")
        if endpoint.listener_name not in served:
            names = ", ".join(sorted(served))
            raise ConfigError(option, f"{option}: {endpoint} is not among the names of listeners ({names})")
        if endpoint.listener_name in seen:
            raise ConfigError(option, f"{option}: the listener {endpoint.listener_name} is announced twice")
        seen.add(endpoint.listener_name)


def _address_family(host: str) -> set[int]:
    """{4} or {6} for a numeric address, empty for a name or for every interface."""
    if ":" in host:
        return {6}
    return {4} if host.count(".") == 3 and host.replace(".", "").isdigit() else set()
