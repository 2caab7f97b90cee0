"""The one page of metrics, from processes that answer, and from those that do not."""

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from core.process.exposition import metrics_served
from standalone import metrics as page
from standalone.metrics import MergedPage, Source, merged_registry
from tests.ports import free_port


def a_process(folder: Path, name: str, calls: int) -> contextlib.AbstractContextManager[None]:
    """Something that serves metrics of its own, as a process of a run does."""
    registry = CollectorRegistry()
    counter = Counter("rushes_calls_total", "Calls.", ["code"], registry=registry)
    counter.labels("OK").inc(calls)
    Gauge("rushes_watchers", "Watches.", registry=registry).set(calls)
    Histogram("rushes_lag_seconds", "Lag.", buckets=(1,), registry=registry).observe(0.5)
    return metrics_served(f"unix:{folder / name}", registry)


def source(folder: Path, name: str, up: bool = True) -> Source:
    return Source(name, lambda: up, folder / name)


def read(*sources: Source) -> str:
    port = free_port()
    with (
        metrics_served(f"127.0.0.1:{port}", merged_registry(MergedPage(sources))),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer,
    ):
        return str(answer.read(), "utf-8")


@contextlib.contextmanager
def answers(path: Path, answer: bytes | None) -> Iterator[None]:
    """One that says the same to everybody; None accepts and says nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        if answer is not None:
            threading.Thread(target=_answer, args=(listener, answer)).start()
        yield


def _answer(listener: socket.socket, answer: bytes) -> None:
    peer, _ = listener.accept()
    with peer:
        peer.recv(1000)
        peer.sendall(answer)


def test_each_series_says_whose_it_is_and_each_family_is_there_once(tmp_path: Path) -> None:
    with a_process(tmp_path, "server-1", 3), a_process(tmp_path, "server-2", 4):
        text = read(source(tmp_path, "server-1"), source(tmp_path, "server-2"))

    assert 'rushes_calls_total{code="OK",process="server-1"} 3.0' in text
    assert 'rushes_calls_total{code="OK",process="server-2"} 4.0' in text
    assert 'rushes_watchers{process="server-2"} 4.0' in text
    assert 'rushes_lag_seconds_bucket{le="1.0",process="server-1"} 1.0' in text
    assert text.count("# TYPE rushes_calls_total counter") == 1
    assert 'process_resident_memory_bytes{process="standalone"}' in text
    assert list(text_string_to_metric_families(text))


def test_a_process_that_is_gone_is_left_out_and_shown_as_down(tmp_path: Path) -> None:
    with a_process(tmp_path, "server-1", 3):
        text = read(source(tmp_path, "server-1"), source(tmp_path, "worker-1", up=False))

    assert 'rushes_process_up{process="server-1"} 1.0' in text
    assert 'rushes_process_up{process="worker-1"} 0.0' in text
    assert 'process="server-1"} 3.0' in text


def test_one_without_metrics_is_only_up_or_down() -> None:
    text = read(Source("valkey", lambda: True))

    assert [line for line in text.splitlines() if '"valkey"' in line] == [
        'rushes_process_up{process="valkey"} 1.0'
    ]


def test_one_that_hangs_does_not_break_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "ASK_SECONDS", 0.05)
    with a_process(tmp_path, "server-1", 3), answers(tmp_path / "http", None):
        text = read(source(tmp_path, "http"), source(tmp_path, "server-1"))

    assert 'process="server-1"} 3.0' in text


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.0 500 Oh\r\n\r\nrushes_watchers 1\n",
        b'HTTP/1.0 200 OK\r\n\r\n# TYPE\n{"json": 1}\n',
        b"HTTP/1.0 200 OK\r\n\r\nrushes_watchers many\n",
        b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe",
        b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nrushes_watchers 1\n",
    ],
)
def test_one_that_talks_nonsense_does_not_break_the_page(tmp_path: Path, answer: bytes) -> None:
    with a_process(tmp_path, "server-1", 3), answers(tmp_path / "http", answer):
        text = read(source(tmp_path, "http"), source(tmp_path, "server-1"))

    assert 'process="server-1"} 3.0' in text
    assert 'rushes_watchers{process="http"}' not in text
