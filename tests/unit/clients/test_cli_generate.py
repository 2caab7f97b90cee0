"""`rushes generate` as a process, against a stand-in server."""

import json
import os
import pty
import subprocess
import sys
import threading

import grpc
import pytest

from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import JobError
from tests.unit.clients.conftest import TOKEN, CommandLine
from tests.unit.clients.making import (
    CLIP,
    JOB_ID,
    MEDIA_ID,
    OTHER_ID,
    a_clip,
    a_cost,
    a_job,
    change,
    current,
    progress,
    response,
    synced,
)
from tests.unit.clients.stand_in import (
    DEADLINE_SECONDS,
    Files,
    StandIn,
    refuse,
    runs_to,
    stays_open,
)

Code = grpc.StatusCode


def accepts(server: StandIn, **answer: object) -> None:
    video = pb.GenerateVideoResponse(job=a_job(), **answer)  # type: ignore[arg-type]
    server.answers["GenerateVideo"] = video
    server.answers["GenerateImage"] = pb.GenerateImageResponse(job=a_job())


def test_a_video_is_made_and_saved(cli: CommandLine, server: StandIn, files: Files) -> None:
    accepts(server)
    clip = a_clip(files.put("clip", (200, CLIP)))
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=[clip]), progress(50))]
    done = cli(
        *("generate", "video", "calm ocean waves", "--duration", "8", "--resolution", "720p"),
        *("--aspect-ratio", "16:9", "--seed", "7", "--negative-prompt", "boats"),
        *("--label", "node=1", "--label", "view=a=b", "--out", "waves.mp4"),
    )
    assert (done.code, done.out) == (0, "waves.mp4\n")
    assert done.err.splitlines() == [
        f"Job {JOB_ID} queued",
        f"Job {JOB_ID} running",
        f"Job {JOB_ID} succeeded",
    ]
    assert (cli.folder / "waves.mp4").read_bytes() == CLIP
    [request] = server.sent(pb.GenerateVideoRequest)
    assert request.spec.duration.seconds == 8
    assert request.spec.seed == 7
    assert request.options.labels == {"node": "1", "view": "a=b"}
    assert request.options.request_id
    assert set(server.tokens) == {TOKEN}


def test_a_job_can_have_a_price_and_deadlines(cli: CommandLine, server: StandIn) -> None:
    accepts(server)
    options = ("--max-cost", "0.50", "--start-within", "10m", "--finish-within", "1h", "--no-wait")
    assert cli("generate", "video", "sea", *options).code == 0
    [request] = server.sent(pb.GenerateVideoRequest)
    assert (request.options.max_cost.units, request.options.max_cost.nanos) == (0, 500_000_000)
    assert request.options.max_cost.currency_code == ""
    assert request.options.start_within.seconds == 600
    assert request.options.finish_within.seconds == 3600
    assert cli("generate", "image", "sea", "--max-cost", "1 EUR", "--no-wait").code == 0
    [request] = server.sent(pb.GenerateImageRequest)
    assert request.options.max_cost.currency_code == "EUR"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--max-cost", "much"), ("--start-within", "10"), ("--finish-within", "1 h")],
)
def test_a_price_or_time_that_is_none_is_a_usage_error(
    cli: CommandLine, server: StandIn, option: str, value: str
) -> None:
    done = cli("generate", "video", "sea", option, value)
    assert done.code == 2
    assert option in done.err
    assert not server.requests


def test_an_image_in_a_type_that_nobody_makes_is_refused_before_anything_is_spent(
    cli: CommandLine, server: StandIn
) -> None:
    done = cli("generate", "image", "boat", "--out", "boat.gif")
    assert (done.code, done.out) == (2, "")
    assert ".png, .jpg or .webp" in done.err
    assert server.requests == []


def test_errors_are_objects_where_results_are(cli: CommandLine, server: StandIn) -> None:
    server.answers["GenerateVideo"] = lambda _, context: refuse(
        context,
        Code.INVALID_ARGUMENT,
        "FIELD_INVALID",
        "spec.duration: too long",
        violations=(("spec.duration", "too long"),),
        request_id="the-call",
    )
    done = cli("generate", "video", "sea", "--json")
    assert (done.code, done.out) == (2, "")
    assert json.loads(done.err) == {
        "message": "--duration: too long",
        "reason": "FIELD_INVALID",
        "requestId": "the-call",
        "field": "spec.duration",
        "violations": [
            {"field": "spec.duration", "option": "--duration", "description": "too long"}
        ],
        "metadata": {},
    }
    for wrong in (("--duration", "long"), ("--label", "node"), ("--out", "nowhere/x.mp4")):
        done = cli("generate", "video", "sea", "--json", *wrong)
        assert (done.code, done.out) == (2, "")
        assert wrong[0] in json.loads(done.err)["message"]


def test_warnings_are_objects_too(cli: CommandLine, server: StandIn) -> None:
    accepts(server, warnings=["retired soon"])
    done = cli("generate", "video", "sea", "--no-wait", "--json")
    assert json.loads(done.err) == {"warning": "retired soon"}
    # What stands after -- is no option.
    assert cli("generate", "video", "--no-wait", "--", "--json").err == "Warning: retired soon\n"


def test_a_request_id_that_was_used_says_whose_job_it_is(cli: CommandLine, server: StandIn) -> None:
    accepts(server, deduplicated=True)
    done = cli("generate", "video", "sea", "--request-id", "mine", "--no-wait")
    assert (done.code, done.out) == (0, f"{JOB_ID}\n")
    assert done.err == f"This request ID was used before; this is its job {JOB_ID}.\n"


def test_several_results_are_numbered(cli: CommandLine, server: StandIn, files: Files) -> None:
    accepts(server)
    clips = [a_clip(files.put(name, (200, CLIP)), media_id=name) for name in ("a", "b")]
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=clips))]
    done = cli("generate", "video", "sea", "--count", "2", "--out", "waves.mp4")
    assert done.out.split() == ["waves-1.mp4", "waves-2.mp4"]


def test_without_a_file_the_address_is_printed(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    accepts(server)
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=[a_clip("http://localhost/x")]))]
    done = cli("generate", "image", "--", "--a boat")
    assert (done.code, done.out.split()) == (0, [MEDIA_ID, "http://localhost/x"])
    assert server.sent(pb.GenerateImageRequest)[0].spec.prompt == "--a boat"


def test_an_images_type_follows_the_file_and_its_inputs_may_be_files_or_ids(
    cli: CommandLine, server: StandIn
) -> None:
    accepts(server)
    (cli.folder / "frame.png").write_bytes(b"picture")
    done = cli(
        *("generate", "image", "boat", "--size", "512x512", "--no-wait", "--out", "boat.jpg"),
        *("--reference", "frame.png", "--reference", OTHER_ID, "--mask", "frame.png"),
        *("--quality", "high"),
    )
    assert (done.code, done.out) == (0, f"{JOB_ID}\n")
    [request] = server.sent(pb.GenerateImageRequest)
    assert request.spec.output_mime_type == "image/jpeg"
    assert request.spec.references[0].content == request.spec.mask.content == b"picture"
    assert request.spec.references[1].media_id == OTHER_ID
    assert request.spec.quality == 3


def makes_jpegs_only(server: StandIn, files: Files) -> None:
    """A model that does not let its callers choose a type."""

    def answer(request, context):  # type: ignore[no-untyped-def]
        if request.spec.output_mime_type:
            field, reason = "spec.output_mime_type", "MODEL_CAPABILITY_UNSUPPORTED"
            text = "m supports no such field"
            refuse(context, Code.INVALID_ARGUMENT, reason, text, violations=((field, text),))
        return pb.GenerateImageResponse(job=a_job())

    server.answers["GenerateImage"] = answer
    picture = a_clip(files.put("picture", (200, CLIP)))
    picture.mime_type = "image/jpeg"
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=[picture]))]


def test_a_model_that_chooses_the_type_names_the_file_after_it(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    makes_jpegs_only(server, files)
    done = cli("generate", "image", "boat", "--model", "m", "--out", "boat.png")
    assert (done.code, done.out) == (0, "boat.jpg\n")
    told = "The result is image/jpeg, so it is saved as boat.jpg instead of boat.png."
    assert done.err.splitlines()[-1] == told
    assert (cli.folder / "boat.jpg").read_bytes() == CLIP
    assert not (cli.folder / "boat.png").exists()


def test_a_file_that_nobody_named_is_not_written_over(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    makes_jpegs_only(server, files)
    (cli.folder / "boat.jpg").write_bytes(b"the original")
    done = cli("generate", "image", "boat", "--reference", "boat.jpg", "--out", "boat.png")
    assert (done.code, done.out) == (0, "boat.png\n")
    told = "boat.png is image/jpeg, because boat.jpg exists already."
    assert done.err.splitlines()[-1] == told
    assert (cli.folder / "boat.jpg").read_bytes() == b"the original"
    assert (cli.folder / "boat.png").read_bytes() == CLIP


def test_a_type_that_was_asked_for_by_name_is_refused_where_there_is_no_choice(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    makes_jpegs_only(server, files)
    done = cli("generate", "image", "boat", "--format", "png", "--out", "boat.png")
    assert done.code == 2
    assert "--format" in done.err
    assert len(server.sent(pb.GenerateImageRequest)) == 1


@pytest.mark.parametrize("name", ["boat.jpeg", "boat.JPG", "boat", "boat.v2"])
def test_a_name_that_promises_nothing_else_is_kept(
    cli: CommandLine, server: StandIn, files: Files, name: str
) -> None:
    makes_jpegs_only(server, files)
    assert cli("generate", "image", "boat", "--out", name).out == f"{name}\n"


def test_a_video_takes_frames_references_sound_and_templates(
    cli: CommandLine, server: StandIn
) -> None:
    accepts(server)
    (cli.folder / "last.png").write_bytes(b"picture")
    done = cli(
        *("generate", "video", "boat", "--no-wait", "--no-audio", "--last-frame", "last.png"),
        *("--reference", OTHER_ID, "--reference", JOB_ID, "--source-video", OTHER_ID),
        *("--style-pack", "ink", "--mood", "calm", "--cinematography", "pan"),
    )
    assert done.code == 0
    [request] = server.sent(pb.GenerateVideoRequest)
    assert (request.spec.HasField("audio"), request.spec.audio) == (True, False)
    assert request.spec.last_frame.content == b"picture"
    assert [item.media_id for item in request.spec.references] == [OTHER_ID, JOB_ID]
    assert request.spec.source_video.media_id == OTHER_ID
    assert (request.spec.style_pack, request.spec.mood) == ("ink", "calm")
    assert request.spec.cinematography == "pan"
    assert not request.spec.HasField("first_frame")
    assert not request.spec.HasField("duration")


def test_json_is_all_that_stdout_gets(cli: CommandLine, server: StandIn) -> None:
    accepts(server)
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=[a_clip("http://localhost/x")]))]
    for order in (("--json", "generate"), ("generate", "--json")):
        done = cli(*order, "video", "sea", "--request-id", "mine")
        assert done.code == 0
        job = json.loads(done.out)
        assert (job["jobId"], job["state"], job["revision"]) == (JOB_ID, "SUCCEEDED", "3")
    assert server.sent(pb.GenerateVideoRequest)[0].options.request_id == "mine"


def test_a_job_that_ends_in_vain_is_code_1_and_told_once_with_its_cost(
    cli: CommandLine, server: StandIn
) -> None:
    accepts(server)
    error = JobError(reason="CONTENT_FILTERED", message="not\x1b[31m this.")
    failed = a_job("FAILED", error=error, cost=a_cost("UNCERTAIN"))
    cancelled = a_job("CANCELLED", cancel_reason="enough", cost=a_cost("RELEASED"))
    server.watches = [runs_to(failed), runs_to(cancelled)]

    done = cli("generate", "video", "sea")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        f"Job {JOB_ID} queued",
        f"Job {JOB_ID} running",
        f"Job {JOB_ID} failed: not\ufffd[31m this (CONTENT_FILTERED); may have cost up to 0.02 USD",
    ]
    done = cli("generate", "video", "sea", "--json")
    assert done.code == 1
    assert json.loads(done.out)["state"] == "CANCELLED"
    told = [json.loads(line)["note"] for line in done.err.splitlines()]
    assert told[2:] == [f"Job {JOB_ID} cancelled: enough; nothing charged"]


def test_an_end_that_the_watch_did_not_show_is_told_too(cli: CommandLine, server: StandIn) -> None:
    accepts(server)
    server.watches = [ends_without_it]
    failed = a_job("FAILED", cost=a_cost("CHARGED", actual="0.02"))
    server.answers["GetJob"] = pb.GetJobResponse(job=failed)

    done = cli("generate", "video", "sea")

    assert done.code == 1
    assert done.err == f"Job {JOB_ID} failed: no reason given; charged 0.02 USD\n"


def ends_without_it(request, context):  # type: ignore[no-untyped-def]
    yield response(synced())


def test_several_models_make_one_batch(cli: CommandLine, server: StandIn) -> None:
    server.answers["BatchGenerate"] = pb.BatchGenerateResponse(
        batch_id="batch-1", jobs=[a_job(model="a"), a_job(model="b")]
    )
    how = ("--label", "set=x", "--max-cost", "2", "--request-id", "r", "--no-wait")
    done = cli("generate", "video", "sea", "--model", "a", "--model", "b", *how)

    assert done.code == 0
    assert len(done.out.splitlines()) == 2
    [request] = server.requests
    assert [one.video.model for one in request.requests] == ["a", "b"]
    assert (request.request_id, dict(request.labels)) == ("r", {"set": "x"})
    assert request.max_cost.units == 2
    assert not any(one.options.ListFields() for one in request.requests)


@pytest.mark.parametrize("refused", [("--apply-to", "desk"), ("--out", "x.mp4")])
def test_what_a_batch_can_t_share_is_refused(
    cli: CommandLine, server: StandIn, refused: tuple[str, str]
) -> None:
    done = cli("generate", "video", "sea", "--model", "a", "--model", "b", *refused)

    assert (done.code, done.out) == (2, "")
    assert refused[0] in done.err
    assert not server.requests


def test_a_check_stores_nothing(cli: CommandLine, server: StandIn) -> None:
    job = a_job(model="builtin-video")
    job.cost.estimated.units, job.cost.estimated.nanos = 1, 250_000_000
    job.cost.estimated.currency_code = "USD"
    server.answers["GenerateVideo"] = pb.GenerateVideoResponse(job=job, warnings=["retired soon"])
    done = cli("generate", "video", "sea", "--validate-only")
    assert done.out == "Valid. The job would cost 1.25 USD on builtin-video.\n"
    assert done.err == "Warning: retired soon\n"
    assert server.sent(pb.GenerateVideoRequest)[0].options.validate_only


def test_wrong_usage_is_code_2_and_reaches_no_server(cli: CommandLine, server: StandIn) -> None:
    for wrong, named in [
        (("--out", "nowhere/x.mp4"), "--out"),
        (("--out", "nowhere/"), "--out"),
        (("--out", "waves.png"), ".mp4"),
        (("--label", "node"), "--label"),
        (("--first-frame", "nothing.png"), "--first-frame"),
        (("--duration", "long"), "--duration"),
        (("--duration", "nan"), "--duration"),
        (("--seed", "9" * 20), "--seed"),
        (("--count", "3000000000"), "--count"),
        (("--label", "a=\udcff"), "UTF-8"),
        (("--token", "é"), "token"),
        (("--server", "http://localhost:99999"), "port"),
        (("--nonsense",), "--nonsense"),
    ]:
        done = cli("generate", "video", "sea", *wrong)
        assert done.code == (3 if named == "token" else 2)
        assert named in done.err
        assert done.err.count("\n") == 1
    assert server.requests == []


def test_each_refusal_has_its_code_and_one_sentence(cli: CommandLine, server: StandIn) -> None:
    field = (("spec.duration", "must be 1 to 10 s"),)
    for status, reason, message, code in [
        (Code.INVALID_ARGUMENT, "FIELD_INVALID", "Some fields are wrong", 2),
        (Code.ALREADY_EXISTS, "REQUEST_ID_CONFLICT", "The key was used", 2),
        (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID", "The token is not valid.", 3),
        (Code.PERMISSION_DENIED, "SCOPE_MISSING", "Not with this token.", 3),
        (Code.RESOURCE_EXHAUSTED, "BUDGET_EXCEEDED", "The budget is spent.", 5),
        (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL", "Too many jobs wait.", 5),
        (Code.FAILED_PRECONDITION, "MODEL_RETIRED", "The model is retired.", 5),
        (Code.INTERNAL, "INTERNAL_ERROR", "Something broke (id 7).", 4),
    ]:
        violations = field if reason == "FIELD_INVALID" else ()
        server.answers["GenerateVideo"] = (
            lambda _, context, s=status, r=reason, m=message, v=violations: refuse(
                context, s, r, m, violations=v
            )
        )
        done = cli("generate", "video", "sea")
        assert (done.code, done.out) == (code, "")
        wanted = f"{message}; --duration: must be 1 to 10 s" if violations else message
        assert done.err == f"{wanted}\n"


def test_control_c_leaves_the_job_running(cli: CommandLine, server: StandIn) -> None:
    accepts(server)
    server.watches = [stays_open(response(current(a_job("RUNNING")), synced()))]
    process = cli.start("generate", "video", "sea", "--out", "my waves.mp4")
    assert process.stderr is not None
    assert process.stderr.readline() == f"Job {JOB_ID} running\n"
    done = cli.interrupt(process)
    assert (done.code, done.out) == (130, "")
    again = f"rushes watch {JOB_ID} --out 'my waves.mp4'"
    assert done.err == f"Job {JOB_ID} goes on. Watch it again with: {again}\n"
    assert server.watch_over.wait(DEADLINE_SECONDS)
    assert server.sent(pb.CancelJobRequest) == []


def test_a_terminal_gets_a_live_bar(cli: CommandLine, server: StandIn, files: Files) -> None:
    accepts(server)
    clip = a_clip(files.put("clip", (200, CLIP)))
    halfway = progress(50, "Rendering\x1b]0;evil\x07 frame 96 of 192")
    seen = threading.Event()

    def watching(request, context):  # type: ignore[no-untyped-def]
        yield response(current(a_job("RUNNING")), synced(), halfway)
        seen.wait(DEADLINE_SECONDS)
        yield response(change(a_job("SUCCEEDED", revision=2, outputs=[clip])))

    server.watches = [watching]
    arguments = ("generate", "video", "sea", "--out", "waves.mp4")
    shown = on_a_terminal(cli, arguments, until="50 %", then=seen)
    assert "frame 96 of 192" in shown
    assert "\x1b]0;evil" not in shown
    assert f"Job {JOB_ID} succeeded" in shown
    assert "waves.mp4" in shown


def on_a_terminal(
    cli: CommandLine, arguments: tuple[str, ...], until: str, then: threading.Event
) -> str:
    """All that the command writes to a terminal; `then` is set once `until` was written."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rushes.cli", *arguments],
        cwd=cli.folder,
        env=cli.environment | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
            if until.encode() in shown:
                then.set()
    except OSError:
        pass  # Linux says EIO when the other side is closed.
    finally:
        os.close(ours)
    assert process.wait(DEADLINE_SECONDS) == 0
    return shown.decode()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("--duration", "abc"), "--duration: 'abc' is not a number"),
        (("--seed", "1.5"), "--seed: '1.5' is not a whole number"),
        (("--quality", "draf"), "--quality: 'draf' is not one of draft, standard, high"),
        (("--out", "gone/"), "--out: there is no folder gone/"),
    ],
)
def test_a_wrong_value_names_its_option_and_the_help_of_the_command(
    cli: CommandLine, typed: tuple[str, str], sentence: str
) -> None:
    done = cli("generate", "video", "sea", *typed)
    assert done.code == 2
    assert done.err == f"{sentence}. Try: rushes generate video --help\n"
