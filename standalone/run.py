"""`make up`: checks the machine, starts everything, and ends it."""

import asyncio
import contextlib
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from core.errors import SettingsInvalid
from core.process.exposition import metrics_served
from core.process.settings import Settings, read_settings
from core.process.telemetry import describe_exception
from standalone import preflight
from standalone.child import Place
from standalone.envoy import LOOPBACK
from standalone.metrics import MergedPage, merged_registry
from standalone.needs import check_needs, redis_answers
from standalone.preflight import CannotStart
from standalone.roles import (
    LONGEST_SOCKET_NAME,
    STATE_FILE,
    Site,
    announced,
    make_roles,
    make_site,
    metrics_sources,
)
from standalone.screen import Screen, Welcome
from standalone.supervisor import Supervisor

OPEN_FILES = 65536


def up() -> int:
    """Runs everything until it is asked to stop; the exit code."""
    screen = Screen()
    os.umask(0o077)
    try:
        settings = read_settings()
        return _run(settings, screen)
    except (SettingsInvalid, CannotStart) as error:
        screen.fail(str(error))
        return 1


def _run(settings: Settings, screen: Screen) -> int:
    data = settings.data_dir.absolute()
    preflight.check_platform()
    preflight.prepare_folder(data)
    preflight.check_room(data)
    with preflight.locked(data, settings.address):
        preflight.check_port(settings.port)
        screen.record = data / "logs" / "standalone.log"
        page = MergedPage()
        with contextlib.ExitStack() as after:
            metrics_port = _serve_metrics(settings, page, screen, after)
            screen.starting(data)
            _allow_many_files()
            (data / "run" / STATE_FILE).unlink(missing_ok=True)
            site = make_site(settings, after.enter_context(_sockets(data / "run")), metrics_port)
            _say_what_is_missing(site, screen)
            return _guarded(site, page, screen)


def _serve_metrics(
    settings: Settings, page: MergedPage, screen: Screen, after: contextlib.ExitStack
) -> int:
    """Serves the page until `after` ends; the port, 0 for none. A port in use is an error only if a
    setting chose it."""
    port = settings.metrics_port
    if not port:
        return 0
    try:
        if port == settings.port:
            raise CannotStart(f"port {port} serves callers; choose another RUSHES_METRICS_PORT.")
        preflight.check_port(port, "RUSHES_METRICS_PORT")
        try:
            after.enter_context(metrics_served(f"{LOOPBACK}:{port}", merged_registry(page)))
        except SettingsInvalid as error:
            # Another run has just begun to listen there.
            preflight.check_port(port, "RUSHES_METRICS_PORT")
            raise CannotStart(error.message) from None
    except CannotStart as error:
        if "RUSHES_METRICS_PORT" in os.environ:
            raise
        screen.log(f"no metrics: {error}")
        return 0
    return port


def _guarded(site: Site, page: MergedPage, screen: Screen) -> int:
    """Runs the site. An unexpected error goes to the log, and to people as one sentence."""
    try:
        check_needs(site.settings)
        slower = site.redis_is_chosen and not redis_answers(site.settings)
        return asyncio.run(_supervise(site, page, screen, slower))
    except CannotStart:
        raise
    except Exception as error:  # noqa: BLE001 - the log has its place, people one sentence
        screen.keep("run_broke", level="error", exception=describe_exception(error))
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CannotStart(f"Rushes can't go on: {why}; see {screen.record}.") from None


async def _supervise(site: Site, page: MergedPage, screen: Screen, slower: bool) -> int:
    logs = site.data / "logs"
    supervisor = Supervisor(make_roles(site), Place(site.sockets, logs), screen)
    edge = site.envoy is not None
    welcome = Welcome(site.address, site.server, edge, logs, site.reflection, slower, site.metrics)
    page.sources = metrics_sources(site, supervisor.children)
    with contextlib.ExitStack() as after:

        def when_ready() -> None:
            after.enter_context(announced(site))
            screen.ready(welcome)

        return await supervisor.run(when_ready)


@contextlib.contextmanager
def _sockets(run: Path) -> Iterator[Path]:
    """The folder for sockets. A folder that was made for them alone is removed at the end."""
    for old in run.iterdir():
        if old.is_socket():
            old.unlink()
    folder = preflight.socket_folder(run, LONGEST_SOCKET_NAME)
    try:
        yield folder
    finally:
        if folder != run:
            shutil.rmtree(folder, ignore_errors=True)


def _say_what_is_missing(site: Site, screen: Screen) -> None:
    if site.envoy:
        return
    screen.log(
        "there is no Envoy for this platform: gRPC is served without the edge "
        "(no REST, no gRPC-Web), and media on another port"
    )
    if site.settings.server_processes > 1:
        screen.log("without the edge only one server process is used")


def _allow_many_files() -> None:
    """Raises the limit of open files: each watcher is a connection, and 1024 are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
