"""The command line against the real thing. It finds it by RUSHES_DATA_DIR."""

import json
import signal
from pathlib import Path

import av
import jwt
import pytest
from PIL import Image

from rushes import Client
from rushes.v1 import job_pb2
from tests.e2e.boxes import box_names
from tests.e2e.command_line import CommandLine
from tests.e2e.conftest import wait_until_rendering
from tests.e2e.rest import Rest
from tests.e2e.running import Running, environment
from tests.services import wait_for

Job = job_pb2.Job
JOB_FAILED, USAGE, NOT_ALLOWED, UNREACHABLE, REFUSED, INTERRUPTED = 1, 2, 3, 4, 5, 130
SMALL = ("--size", "256x256")
UNKNOWN_ID = "01a1f972-0ca4-73b4-9c69-209cd3af9dc8"


@pytest.fixture
def rushes(run: Running, user: str, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, environment(run.data, RUSHES_USER=user))


def test_a_video_is_made_watched_and_saved(rushes: CommandLine) -> None:
    done = rushes("generate", "video", "calm ocean waves", "--duration", "2", "--out", "waves.mp4")

    assert (done.code, done.out) == (0, "waves.mp4\n")
    assert done.err.splitlines()[-1].endswith(" succeeded")
    path = rushes.folder / "waves.mp4"
    names = list(box_names(path))
    assert names.index("moov") < names.index("mdat")
    with av.open(path) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (1280, 720, 24)
        assert sum(1 for _ in file.decode(stream)) == 2 * 24


def test_an_image_is_made_and_saved(rushes: CommandLine) -> None:
    done = rushes("generate", "image", "a paper boat, watercolour", "--out", "boat.png")

    assert (done.code, done.out) == (0, "boat.png\n")
    with Image.open(rushes.folder / "boat.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 1024))


def test_jobs_are_submitted_watched_listed_and_told(rushes: CommandLine) -> None:
    job_id = rushes("generate", "image", "boat", *SMALL, "--no-wait").out.strip()

    watched = rushes("watch", "--until-done")
    listed = rushes("jobs")
    shown = rushes("show", job_id)
    events = rushes("events", job_id)

    # It may have been over before the watch began.
    assert watched.code == 0
    assert watched.out == "" or watched.out.endswith(f"{job_id} succeeded\n")
    assert [line[:3] for line in listed.lines] == [[job_id, "SUCCEEDED", "image"]]
    assert "state:    succeeded" in shown.out
    assert [line[2] for line in events.lines] == ["QUEUED", "STARTED", "SUCCEEDED"]


def test_a_running_job_is_watched_and_cancelled_and_submitted_again(
    rushes: CommandLine, client: Client
) -> None:
    generating = rushes.start("generate", "video", "sea", "--duration", "10")
    [job] = wait_for(lambda: list(client.jobs()), "the job")
    watching = rushes.start("watch", job.job_id, "--until-done")
    wait_until_rendering(client, job.job_id)

    too_early = rushes("retry", job.job_id)
    cancelled = rushes("cancel", job.job_id, "--reason", "enough")
    generate_out, generate_err = generating.communicate(timeout=60)
    watch_out, _ = watching.communicate(timeout=60)
    retried = rushes("retry", job.job_id)
    rushes("cancel", retried.out.strip())

    assert (too_early.code, too_early.out) == (REFUSED, "")
    assert cancelled.code == 0
    assert (generating.returncode, generate_out) == (JOB_FAILED, "")
    assert "cancelled: enough" in generate_err
    assert watching.returncode == 0
    assert watch_out.endswith(f"{job.job_id} cancelled: enough; nothing charged\n")
    assert client.get_job(retried.out.strip()).retry_of == job.job_id


def test_an_interrupt_leaves_the_job_running_and_says_how_to_go_on(
    rushes: CommandLine, client: Client
) -> None:
    generating = rushes.start("generate", "video", "sea", "--duration", "10")
    assert generating.stderr is not None
    while not generating.stderr.readline().endswith(" running\n"):
        assert generating.poll() is None

    generating.send_signal(signal.SIGINT)
    _, err = generating.communicate(timeout=60)
    [job] = client.jobs()
    client.cancel(job.job_id)

    assert generating.returncode == INTERRUPTED
    assert err.endswith(f"rushes watch {job.job_id}\n")
    assert job.state == Job.RUNNING


def test_the_library_is_listed_emptied_and_restored(rushes: CommandLine) -> None:
    rushes("generate", "image", "boat", *SMALL)
    [[media_id, kind, size, *_]] = rushes("ls").lines

    removed = rushes("rm", media_id)
    left = rushes("ls")
    binned = rushes("ls", "--bin")
    restored = rushes("undelete", media_id)
    saved = rushes("download", media_id)

    assert (kind, size) == ("image", "256x256")
    assert removed.out == f"{media_id} in the bin\n"
    assert (left.code, left.out) == (0, "")
    assert binned.lines[0][0] == media_id
    assert restored.out == f"{media_id} back in the library\n"
    assert saved.out == f"{media_id}.png\n"
    assert (rushes.folder / f"{media_id}.png").stat().st_size


def test_json_is_one_object_per_line(rushes: CommandLine) -> None:
    done = rushes("--json", "generate", "image", "boat", *SMALL)
    models = rushes("models", "--json")
    events = rushes("events", json.loads(done.out)["jobId"], "--json")

    job = json.loads(done.out)
    assert job["state"] == "SUCCEEDED"
    assert {json.loads(line)["model"] for line in models.out.splitlines()} >= {"builtin-video"}
    assert [json.loads(line)["revision"] for line in events.out.splitlines()] == ["1", "2", "3"]


def test_the_models_are_listed(rushes: CommandLine) -> None:
    rows = rushes("models").lines

    assert [row[:3] for row in rows[:4]] == [
        ["builtin-video", "video", "yes"],
        ["builtin-image", "image", "yes"],
        ["simulator-video", "video", "yes"],
        ["simulator-image", "image", "yes"],
    ]
    assert ["gemini-omni-1.2-flash", "video", "no: needs RUSHES_GEMINI_API_KEY"] in [
        row[:3] for row in rows[4:]
    ]


def test_models_are_compared_before_a_job_is_made(rushes: CommandLine) -> None:
    models = ("--model", "builtin-image", "--model", "simulator-image")
    first, second = rushes("estimate", "image", "boat", *models).lines

    assert first[:2] == ["builtin-image", "0.00 USD"]
    assert second[0] == "simulator-image"
    assert second[1] not in ("0.00 USD", "unknown")
    assert len(first) == len(second) == 7


def test_a_job_that_costs_too_much_is_refused_with_both_figures(rushes: CommandLine) -> None:
    simulated = ("--model", "simulator-image", "--max-cost", "0.001")
    done = rushes("generate", "image", "boat", *simulated)

    assert (done.code, done.out) == (REFUSED, "")
    assert done.err == "This job would cost 0.02, more than --max-cost (0.001).\n"


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("sim:filtered", "(CONTENT_FILTERED); nothing charged"),
        ("sim:filtered-charged", "(CONTENT_FILTERED); charged 0."),
    ],
)
def test_a_failed_job_is_told_once_with_its_reason_and_its_cost(
    rushes: CommandLine, word: str, ending: str
) -> None:
    done = rushes("generate", "image", f"boat {word}", "--model", "simulator-image")
    [listed] = rushes("jobs").lines
    shown = rushes("show", listed[0])

    assert (done.code, done.out) == (JOB_FAILED, "")
    [told] = [line for line in done.err.splitlines() if " failed" in line]
    assert ending in told
    assert listed[4].endswith(" USD")
    assert ending.partition("; ")[2] in shown.out
    assert "cancel:" not in shown.out


def test_a_token_is_made_that_the_server_takes(rushes: CommandLine, run: Running) -> None:
    token = rushes("token", "--user", "alice").out.strip()

    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("alice", 12 * 3600)
    assert Rest(run.port, token)("GET /v1/jobs").status == 200


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["generate", "video"], USAGE, "rushes generate video --help"),
        (["generate", "image", "boat", "--model", "no-such-model"], USAGE, "model"),
        (["generate", "video", "sea", "--duration", "999"], USAGE, "duration"),
        (["show", UNKNOWN_ID], USAGE, "no such"),
        (["jobs", "--token", "not-a-token"], NOT_ALLOWED, "token"),
        (["jobs", "--server", "example.com:443"], NOT_ALLOWED, "RUSHES_TOKEN"),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(
    rushes: CommandLine, arguments: list[str], code: int, said: str
) -> None:
    done = rushes(*arguments)

    assert (done.code, done.out) == (code, "")
    assert said in done.err.lower() or said in done.err
    assert "Traceback" not in done.err


def test_without_a_run_in_the_data_folder_it_says_so(rushes: CommandLine, tmp_path: Path) -> None:
    done = rushes("jobs", RUSHES_DATA_DIR=str(tmp_path / "empty"))

    assert (done.code, done.out) == (UNREACHABLE, "")
    assert "make up" in done.err
