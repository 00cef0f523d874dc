"""Where clients are told to find a broker: shared by Metadata, DescribeCluster and FindCoordinator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kwire.api.context import RequestContext
    from kwire.cluster.metadata_cache import BrokerImage

EVERY_INTERFACE = frozenset({"", "0.0.0.0", "::"})
"""Hosts to listen on, but not to connect to."""

MAPPED_IPV4 = "::ffff:"


def endpoint_for(broker: BrokerImage, context: RequestContext) -> tuple[str, int] | None:
    """Host and port of `broker` for the client of this request; None if it does not serve the client's listener.

    This broker answers with `advertised.listeners` if that names the listener. If not, with the very address through
    which the client reached it: that works from a container, a virtual machine and localhost alike, with no settings
    (Apache Kafka answers the host's canonical name). Other brokers are found as they have registered.
    """
    connection = context.connection
    listener_name = connection.listener_name
    if broker.id == context.services.broker_id:
        return _own_endpoint(listener_name, context)
    endpoint = broker.endpoints.get(listener_name)
    if endpoint is None:
        return None
    if endpoint.host in EVERY_INTERFACE:  # It has not said where it is; its neighbour, this broker, was found here.
        return plain_host(connection.local_host), endpoint.port
    return endpoint.host, endpoint.port


def _own_endpoint(listener_name: str, context: RequestContext) -> tuple[str, int]:
    connection = context.connection
    config = context.services.config
    if config.is_set("advertised.listeners"):
        # Parsed once per connection: Metadata is asked often, and the option cannot change while the broker runs.
        known = connection.state.get("advertised")
        if not isinstance(known, dict):
            known = connection.state["advertised"] = config.advertised_listeners()
        advertised = known.get(listener_name)
        if advertised is not None:
            return advertised.host, advertised.port if advertised.port > 0 else connection.local_port
    return plain_host(connection.local_host), connection.local_port


def plain_host(host: str) -> str:
    """An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d` becomes the address itself."""
    if host[:7].lower() == MAPPED_IPV4 and "." in host:
        return host[7:]
    return host
