"""The composition root of the one-command run: its processes, their settings and sockets."""

import contextlib
import functools
import json
import os
import re
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.process.secrets import without_keys
from core.process.settings import Settings
from standalone.child import Child, Command
from standalone.envoy import Edge, edge_serves, envoy_argv, find_envoy, render
from standalone.metrics import ENVOY_PATH, Source
from standalone.preflight import CannotStart, free_port
from standalone.probe import http_status
from standalone.supervisor import Roles
from standalone.valkey import erase_old, find_valkey, valkey_argv, valkey_is_ready, valkey_url

LONGEST_SOCKET_NAME = len("server-999.metrics")
# Ctrl-C ends everything within 5 s, so a waiting call can't have the server's usual 10 s.
DRAIN_CALL_SECONDS = "2.5"
DRAIN_RUN_SECONDS = 3.5
STATE_FILE = "standalone.json"
# Names and values of variables that hold a secret.
SECRET = re.compile(r"_(KEY|SECRET|TOKEN|PASSWORD)\b|://[^/@]*:[^/@]*@|password=", re.IGNORECASE)


@dataclass(frozen=True)
class Site:
    """Where one run lives: absolute folders, short paths for sockets, Envoy's binary or None."""

    settings: Settings
    data: Path
    sockets: Path
    envoy: Path | None
    environ: Mapping[str, str]
    # Without the edge the HTTP process needs a port of its own.
    http_port: int | None
    # The port of the page with the metrics of all processes; 0 for none.
    metrics_port: int = 0

    @property
    def server(self) -> str:
        """Where gRPC is served, for clients."""
        return f"localhost:{self.settings.port}"

    @property
    def address(self) -> str:
        """Where HTTP is served, for people and in signed addresses."""
        if self.http_port and not self.settings.public_url:
            return f"http://localhost:{self.http_port}"
        return self.settings.address

    @property
    def reflection(self) -> bool:
        """Whether reflection is on: for people who try things, unless a setting says otherwise."""
        return self.settings.reflection or "RUSHES_REFLECTION" not in self.environ

    @property
    def redis_is_chosen(self) -> bool:
        """Whether the settings name a running Redis. Otherwise the run starts one."""
        return bool(self.environ.get("RUSHES_REDIS_URL"))

    @property
    def redis_url(self) -> str:
        """The address of the Redis that the settings name, or that the run starts."""
        if self.redis_is_chosen:
            return self.settings.redis_url
        return valkey_url(self.socket("valkey.sock"))

    @property
    def metrics(self) -> str:
        """The address of the metrics of all processes; empty when there is none."""
        return f"http://localhost:{self.metrics_port}/metrics" if self.metrics_port else ""

    def socket(self, name: str) -> Path:
        """The path of a unix socket."""
        return self.sockets / name


def make_site(settings: Settings, sockets: Path, metrics_port: int = 0) -> Site:
    """The site of this run, on this machine."""
    envoy = find_envoy()
    port = None if envoy else free_port()
    data = settings.data_dir.absolute()
    return Site(settings, data, sockets, envoy, dict(os.environ), port, metrics_port)


def make_roles(site: Site) -> Roles:
    """All processes of the run; writes Envoy's configuration into the run folder.

    Raises:
        CannotStart: when there is no Valkey and no address of one.
    """
    valkey, redis_url = _valkey(site), site.redis_url
    count = site.settings.server_processes if site.envoy else 1
    servers = [_server(site, redis_url, index) for index in range(1, count + 1)]
    workers = [
        _python(site, f"worker-{index}", ["workers"], _environment(site, redis_url))
        for index in range(1, site.settings.worker_processes + 1)
    ]
    where = f"127.0.0.1:{site.http_port}" if site.http_port else f"unix:{site.socket('http.web')}"
    addresses = ",".join(_server_address(site, index) for index in range(1, count + 1))
    http_env = without_keys(
        _environment(site, redis_url, RUSHES_HTTP_LISTEN=where, RUSHES_SERVERS=addresses)
    )
    edge = _edge(site, site.envoy, count) if site.envoy else None
    return Roles(
        servers=tuple(servers),
        http=_python(site, "http", ["server.http"], http_env),
        workers=tuple(workers),
        valkey=valkey,
        edge=edge,
        answers=functools.partial(_answers, site.settings.port) if edge else None,
        drain_run_seconds=_drain_run_seconds(site.settings),
    )


@contextlib.contextmanager
def announced(site: Site) -> Iterator[None]:
    """Tells clients of this machine about the run, for as long as it lasts."""
    path = site.data / "run" / STATE_FILE
    settings = site.settings
    key = settings.jwt_key_file or site.data / "keys" / "jwt.key"
    state = {
        "pid": os.getpid(),
        "address": site.address,
        "server": site.server,
        "edge": site.envoy is not None,
        "jwt_key_file": str(key.absolute()),
        "issuer": settings.jwt_issuer,
        "audience": settings.jwt_audience,
        "data_dir": str(site.data),
        "metrics": site.metrics,
        **_told_settings(_environment(site, site.redis_url)),
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(state, indent=2) + "\n")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def metrics_sources(site: Site, children: Iterable[Child]) -> list[Source]:
    """Where each process of the run serves its metrics; Valkey has none."""
    return [
        Source(child.name, child.ready.is_set, **_metrics_of(site, child)) for child in children
    ]


def _metrics_of(site: Site, child: Child) -> dict[str, Any]:
    if child.name == "envoy":
        return {"socket": site.socket("envoy.admin"), "path": ENVOY_PATH}
    return {} if child.name == "valkey" else {"socket": _metrics_socket(site, child.name)}


def _metrics_socket(site: Site, name: str) -> Path:
    return site.socket(f"{name}.metrics")


def _told_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that tools of this machine need to find the same run; secrets only by name."""
    ours = {name: value for name, value in environment.items() if name.startswith("RUSHES_")}
    withheld = sorted(name for name, value in ours.items() if SECRET.search(f"{name} {value}"))
    return {
        "settings": {name: ours[name] for name in sorted(ours.keys() - set(withheld))},
        "withheld": withheld,
    }


def _drain_run_seconds(settings: Settings) -> float:
    """How long the end waits for runs: longer when their answers cost real money."""
    return settings.drain_run_seconds if settings.spends_money else DRAIN_RUN_SECONDS


def _environment(site: Site, redis_url: str, **more: str) -> dict[str, str]:
    defaults = {
        "RUSHES_DRAIN_CALL_SECONDS": DRAIN_CALL_SECONDS,
        "RUSHES_DRAIN_RUN_SECONDS": f"{_drain_run_seconds(site.settings):g}",
        "RUSHES_SIMULATOR": "true",
        "RUSHES_WEBHOOKS": "loopback",
    }
    chosen = {
        "RUSHES_DATA_DIR": str(site.data),
        "RUSHES_REDIS_URL": redis_url,
        "RUSHES_PUBLIC_URL": site.address,
        "RUSHES_REFLECTION": str(site.reflection).lower(),
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **site.environ, **chosen, **more}


def _valkey(site: Site) -> Command | None:
    if site.redis_is_chosen:
        return None
    binary = find_valkey()
    if binary is None:
        raise CannotStart(
            "there is no Valkey: install valkey-server or redis-server 7 or newer, "
            "or name a running one with RUSHES_REDIS_URL."
        )
    socket = site.socket("valkey.sock")
    folder = site.data / "valkey"
    erase_old(folder)
    argv = valkey_argv(binary, folder, socket, site.settings.stream_shards)
    probe = functools.partial(valkey_is_ready, socket)
    return Command("valkey", tuple(argv), _in_utc(site), probe)


def _server(site: Site, redis_url: str, index: int) -> Command:
    where = _server_address(site, index)
    environment = _environment(site, redis_url, RUSHES_GRPC_LISTEN=where)
    return _python(site, f"server-{index}", ["server"], environment)


def _server_address(site: Site, index: int) -> str:
    # Each process has its own socket: behind one shared port one process would get every
    # connection.
    socket = f"unix:{site.socket(f'server-{index}.grpc')}"
    return socket if site.envoy else f"127.0.0.1:{site.settings.port}"


def _python(site: Site, name: str, module: list[str], environment: Mapping[str, str]) -> Command:
    listen = f"unix:{_metrics_socket(site, name)}" if site.metrics_port else ""
    own = {"RUSHES_PROCESS_NAME": name, "RUSHES_METRICS_LISTEN": listen}
    # -P: Python must not import a folder `core` or `server` of the working directory.
    return Command(name, (sys.executable, "-P", "-m", *module), {**environment, **own})


def _edge(site: Site, binary: Path, servers: int) -> Command:
    sockets = tuple(site.socket(f"server-{index}.grpc") for index in range(1, servers + 1))
    admin = site.socket("envoy.admin")
    edge = Edge(
        port=site.settings.port,
        admin=admin,
        servers=sockets,
        http=site.socket("http.web"),
        reflection=site.reflection,
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        origins=site.settings.origins,
    )
    config = site.data / "run" / "envoy.yaml"
    config.write_text(render(edge))
    probe = functools.partial(edge_serves, admin, site.settings.port)
    return Command("envoy", tuple(envoy_argv(binary, config)), _in_utc(site), probe)


def _in_utc(site: Site) -> dict[str, str]:
    """The environment of a process that would else log in the local time."""
    return {**without_keys(site.environ), "TZ": "UTC"}


async def _answers(port: int) -> bool:
    return await http_status(port, "/healthz") == 200
