"""What a run shows of itself: metrics, log lines, `rushes doctor` and `rushes logs`."""

import json
import subprocess
import sys
from urllib.request import urlopen

import pytest

from rushes import Client
from tests.e2e.running import Running, environment
from tests.ports import free_port
from tests.services import wait_for

OURS = ("server-1", "http", "worker-1", "worker-2")


@pytest.fixture
def metrics_run(own_run: Running) -> Running:
    """A run with its metrics on a port of its own, in which a picture was made."""
    own_run.more(RUSHES_METRICS_PORT=str(free_port()))
    own_run.start()
    with own_run.client("canary-user") as client:
        make(client)
    return own_run


def make(client: Client) -> None:
    job = client.generate_image("the canary prompt", size="256x256")
    assert client.wait(job.job_id).outputs


def state(run: Running) -> dict[str, str]:
    read: dict[str, str] = json.loads((run.data / "run" / "standalone.json").read_text())
    return read


def page(run: Running) -> str:
    with urlopen(state(run)["metrics"], timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def rushes(run: Running, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rushes.cli", *arguments],
        env=environment(run.data),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_one_page_shows_all_processes_and_the_installation(metrics_run: Running) -> None:
    text = page(metrics_run)

    for name in OURS:
        assert f'rushes_process_up{{process="{name}"}} 1.0' in text
        assert f'process_resident_memory_bytes{{process="{name}"}}' in text
    assert 'rushes_job_events_total{process="server-1",type="QUEUED"} 1.0' in text
    assert 'type="SUCCEEDED"} 1.0' in text
    assert 'method="GenerateImage",process="server-1"' in text
    assert 'call="fetch",outcome="DONE"' in text
    wait_for(lambda: 'rushes_live_workers{process="worker-' in page(metrics_run), "a leader")
    assert "canary" not in page(metrics_run)


def test_each_line_of_ours_is_json_with_event_and_process_and_can_be_read(
    metrics_run: Running,
) -> None:
    logs = metrics_run.data / "logs"
    for name in OURS:
        lines = [json.loads(line) for line in (logs / f"{name}.log").read_text().splitlines()]
        assert lines
        assert all(line["event"] and line["process"] == name for line in lines)
        assert "canary prompt" not in (logs / f"{name}.log").read_text()

    shown = rushes(metrics_run, "logs", "--lines", "1000")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert {line.split()[0] for line in shown.stdout.splitlines()} >= {*OURS, "valkey"}


def test_the_doctor_finds_all_in_order_and_then_what_is_missing(metrics_run: Running) -> None:
    well = rushes(metrics_run, "doctor")
    assert well.returncode == 0, well.stdout
    assert all(line.startswith("ok ") for line in well.stdout.splitlines())

    assert metrics_run.interrupt() == 0
    ill = rushes(metrics_run, "doctor")
    assert ill.returncode == 1
    assert [line.split()[1] for line in ill.stdout.splitlines() if line.startswith("NO")] == [
        "stream",
        "workers",
        "edge",
    ]
