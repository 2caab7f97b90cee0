"""The metrics of a process: what they may hold, and how they are served."""

import http.client
import re
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from core.errors import SettingsInvalid
from core.process import metrics
from core.process.exposition import metrics_served
from tests.ports import free_port
from tests.services import DEADLINE_SECONDS

ALL = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
# What a caller chose, or what there is more of with every job.
UNBOUNDED = {"user", "user_id", "job", "job_id", "media_id", "prompt", "path", "address", "worker"}


def get(connect: Callable[[], socket.socket], path: str = "/metrics") -> tuple[int, str]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = connect()
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def at_port(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS)


def at_path(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE_SECONDS)
    connection.connect(str(path))
    return connection


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric._name)
def test_a_metric_has_our_prefix_a_sentence_and_labels_with_few_values(
    metric: MetricWrapperBase,
) -> None:
    assert re.fullmatch(r"rushes_[a-z_]+", metric._name)
    assert metric._documentation.endswith(".")
    assert not UNBOUNDED & set(metric._labelnames)


def test_they_are_served_on_a_port() -> None:
    port = free_port()
    with metrics_served(f"127.0.0.1:{port}"):
        status, page = get(lambda: at_port(port))

    assert status == 200
    assert "# TYPE rushes_calls_total counter" in page
    assert "process_resident_memory_bytes" in page
    assert "_created" not in page


def test_they_are_served_on_a_private_socket_also_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "server-1.metrics"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    with metrics_served(f"unix:{path}"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert get(lambda: at_path(path))[0] == 200
    assert not path.exists()


def test_one_who_reads_nothing_keeps_nobody_waiting_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    port = free_port()
    with metrics_served(f"127.0.0.1:{port}"), at_port(port) as rude:
        rude.sendall(b"GET /metr")
        assert get(lambda: at_port(port))[0] == 200
        rude.shutdown(socket.SHUT_RDWR)

    for thread in set(threading.enumerate()) - before:
        thread.join(DEADLINE_SECONDS)
    assert set(threading.enumerate()) <= before


def test_without_an_address_nothing_is_served() -> None:
    before = threading.active_count()
    with metrics_served(""):
        assert threading.active_count() == before


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:x", "unix:/nowhere/at/all", "::1:99999"])
def test_where_it_can_not_listen_is_one_sentence(listen: str) -> None:
    with pytest.raises(SettingsInvalid, match="RUSHES_METRICS_LISTEN"), metrics_served(listen):
        pass


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsInvalid, match="in use"), metrics_served(listen):
            pass
