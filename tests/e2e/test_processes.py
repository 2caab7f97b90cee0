"""The run as a whole: its processes die, end, and start again, and nothing is lost."""

import hashlib
from pathlib import Path

import pytest

from rushes.v1 import job_pb2
from tests.e2e.conftest import wait_until_rendering
from tests.e2e.processes import linux_only
from tests.e2e.rest import Rest
from tests.e2e.running import Running, start_standalone
from tests.ports import free_port
from tests.services import wait_for

Job = job_pb2.Job


@linux_only
@pytest.mark.parametrize("names", [("server-1", "server-2"), ("server-2", "server-1")])
def test_both_server_processes_serve_and_one_goes_on_when_the_other_is_killed(
    run: Running, user: str, names: tuple[str, str]
) -> None:
    name, other = names
    wait_for(lambda: _asks(run, user) and _served_by(run, user) == {*names}, "calls at both")
    lives = _log(run, name).count('"server_started"')
    killed = run.child(name)
    assert killed is not None

    killed.kill()

    survivor = f"{user}-after"
    wait_for(lambda: _asks(run, survivor), "a call to be answered")
    assert wait_for(lambda: _served_by(run, survivor), "the line in a log") == {other}
    wait_for(lambda: _log(run, name).count('"server_started"') > lives, f"{name} to serve again")
    assert run.child(name) not in (None, killed)
    assert f"{name} ended (signal SIGKILL); starting it again" in run.printed


def _asks(run: Running, user: str) -> bool:
    return run.rest(user)("GET /v1/models").status == 200


def _served_by(run: Running, user: str) -> set[str]:
    return {name for name in ("server-1", "server-2") if f'"user_id": "{user}"' in _log(run, name)}


def _log(run: Running, name: str) -> str:
    return (run.data / "logs" / f"{name}.log").read_text()


def test_a_second_run_on_the_same_data_is_refused_in_one_sentence(
    run: Running, tmp_path: Path
) -> None:
    code, said = _refused(run.data, free_port(), tmp_path)

    assert code == 1
    assert len(said) == 1
    assert f"already runs on {run.data} (process {run.pid}, " in said[0]


def test_a_taken_port_is_refused_in_one_sentence(run: Running, tmp_path: Path) -> None:
    code, said = _refused(tmp_path / "data", run.port, tmp_path)

    assert code == 1
    assert len(said) == 1
    assert f"port {run.port} is taken" in said[0]
    assert "RUSHES_PORT=" in said[0]


def _refused(data: Path, port: int, folder: Path) -> tuple[int, list[str]]:
    out = folder / "out"
    code = start_standalone(data, port, out).wait(60)
    return code, out.read_text().splitlines()


@pytest.mark.timeout(180)
def test_a_restart_keeps_everything_and_finishes_what_was_running(own_run: Running) -> None:
    own_run.start()
    with own_run.client("alice") as client:
        [kept] = client.wait(client.generate_image("boat", size="256x256").job_id).outputs
        running = client.generate_video("sea", duration=5, resolution="480p").job_id
        wait_until_rendering(client, running)
    started = own_run.processes

    assert own_run.interrupt() == 0
    assert not [process for process in started if process.lives]
    own_run.start()

    with own_run.client("alice") as client:
        states = {job.job_id: job.state for job in client.jobs()}
        assert states[kept.job_id] == Job.SUCCEEDED
        [made] = client.wait(running).outputs
        assert {media.media_id for media in client.library()} == {kept.media_id, made.media_id}
    # Signed before the restart, good after it.
    assert hashlib.sha256(own_run.rest("alice").media(kept.url).body).hexdigest() == kept.sha256


@linux_only
def test_kill_9_of_the_supervisor_leaves_no_process(own_run: Running) -> None:
    own_run.start()
    started = own_run.processes
    roles = {process.role for process in started}
    assert roles >= {"envoy", "server-1", "http", "worker-1", "worker-2"}
    # Valkey writes over its own environment.
    assert {"valkey-server", "redis-server"} & {process.program for process in started}

    own_run.kill()

    wait_for(lambda: not [process for process in started if process.lives], "all to be gone")
    own_run.start()
    assert Rest(own_run.port)("GET /healthz").status == 200
