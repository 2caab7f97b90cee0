"""The one page with the metrics of a run: asks every process, and labels each series with it."""

import http.client
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from core.process import metrics

ASK_SECONDS = 2.0
PATH = "/metrics"
# Envoy has thousands of series. These show how the edge is doing.
ENVOY_PATH = "/stats/prometheus?usedonly&filter=" + "|".join(
    (
        r"^http\.\w+\.downstream_(rq_[1-5]xx|cx_active|rq_active)$",
        r"^cluster\.\w+\.(upstream_rq_(active|retry|timeout|pending_overflow)|membership_healthy)$",
    )
)
SELF = "standalone"


@dataclass(frozen=True)
class Source:
    """A process of the run; `socket` is where it serves its metrics, None when it has none."""

    name: str
    up: Callable[[], bool]
    socket: Path | None = None
    path: str = PATH


class MergedPage(Collector):
    """All processes' metrics with a `process` label. A process that is dead or hangs is left out,
    and rushes_process_up says so. The page may be read before its `sources` are known."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self.sources = list(sources)

    def collect(self) -> Iterator[Metric]:
        """The families of all pages, each once."""
        sources = self.sources
        for source in sources:
            metrics.PROCESS_UP.labels(source.name).set(source.up())
        merged: dict[str, Metric] = {}
        _merge(merged, SELF, metrics.REGISTRY.collect())
        with ThreadPoolExecutor(max(len(sources), 1), "metrics") as pool:
            for source, page in zip(sources, pool.map(_ask, sources), strict=True):
                _merge(merged, source.name, page)
        yield from merged.values()


def merged_registry(page: MergedPage) -> CollectorRegistry:
    """What `core.process.exposition.metrics_served` takes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(page)
    return registry


def _merge(merged: dict[str, Metric], process: str, page: Iterable[Metric]) -> None:
    for family in page:
        if not family.samples:
            continue
        known = merged.setdefault(
            family.name, Metric(family.name, family.documentation, family.type)
        )
        for sample in family.samples:
            known.samples.append(sample._replace(labels={"process": process, **sample.labels}))


def _ask(source: Source) -> list[Metric]:
    """The page of one process; empty when the process gives none that can be read."""
    if source.socket is None:
        return []
    connection = _SocketConnection(source.socket)
    try:
        connection.request("GET", source.path)
        answer = connection.getresponse()
        text = answer.read().decode() if answer.status == 200 else ""
        return list(text_string_to_metric_families(text))
    except (OSError, http.client.HTTPException, ValueError):
        return []
    finally:
        connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket. The base class calls it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ASK_SECONDS)
        self.sock.connect(str(self._path))
