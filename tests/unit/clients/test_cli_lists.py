"""The other commands as processes: jobs, the library, models, prices."""

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import typer.main
from google.type.money_pb2 import Money

import rushes
from rushes.cli.app import app, run
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import Job, JobError, QueueInfo
from rushes.v1.media_pb2 import Media
from rushes.v1.model_pb2 import Ability, Model, PriceLine, PromptTemplate
from tests.unit.clients.conftest import CommandLine
from tests.unit.clients.making import (
    CLIP,
    JOB_ID,
    MEDIA_ID,
    OTHER_ID,
    a_clip,
    a_cost,
    a_job,
    change,
    usd,
)
from tests.unit.clients.stand_in import Files, StandIn, refuse, runs_to

Code = grpc.StatusCode


def test_jobs_are_one_plain_line_each_when_piped(cli: CommandLine, server: StandIn) -> None:
    evil = a_job(job_id=OTHER_ID)
    evil.video.prompt = "red \x1b[31m\u202e\nnext\tline"
    running = a_job("RUNNING", cost=a_cost("RESERVED"))
    server.answers["ListJobs"] = pb.ListJobsResponse(jobs=[running, evil])
    done = cli("jobs", "--state", "running", "--state", "queued", "--label", "a=b", "--limit", "2")
    first, second = done.out.splitlines()
    assert first.split("\t")[:3] == [JOB_ID, "RUNNING", "video"]
    assert first.split("\t")[4:] == ["up to 0.02 USD", "calm ocean waves"]
    assert second.endswith("red \ufffd[31m\ufffd next line")
    [request] = server.sent(pb.ListJobsRequest)
    assert list(request.states) == [Job.RUNNING, Job.QUEUED]
    assert (list(request.labels), request.page_size) == (["a=b"], 2)


def test_json_lists_are_one_object_per_line(cli: CommandLine, server: StandIn) -> None:
    server.answers["ListJobs"] = pb.ListJobsResponse(jobs=[a_job(), a_job(job_id=OTHER_ID)])
    done = cli("jobs", "--json")
    assert [json.loads(line)["jobId"] for line in done.out.splitlines()] == [JOB_ID, OTHER_ID]


def test_one_job_is_shown_with_its_events(cli: CommandLine, server: StandIn) -> None:
    job = a_job("SUCCEEDED", labels={"node": "1"}, outputs=[a_clip("http://localhost/x")])
    server.answers["GetJob"] = pb.GetJobResponse(job=job)
    events = [change(a_job(), "QUEUED"), change(a_job("SUCCEEDED", revision=2), "SUCCEEDED")]
    server.answers["ListJobEvents"] = pb.ListJobEventsResponse(events=events)
    shown = cli("show", JOB_ID).out
    assert "calm ocean waves" in shown
    assert "http://localhost/x" in shown
    told = [line.split("\t") for line in cli("events", JOB_ID).out.splitlines()]
    assert [(line[0], line[2]) for line in told] == [("1", "QUEUED"), ("2", "SUCCEEDED")]


def test_a_waiting_job_shows_its_place_its_money_and_its_deadlines(
    cli: CommandLine, server: StandIn
) -> None:
    queue = QueueInfo(position=3, sample_count=12, blocked_reason="no worker serves this queue")
    queue.estimated_wait.seconds, queue.estimated_run.seconds = 240, 8
    job = a_job(queue=queue, cost=a_cost("RESERVED"), cancel_saves_cost=True)
    job.start_deadline.seconds, job.finish_deadline.seconds = 1_800_000_000, 1_800_000_060
    server.answers["GetJob"] = pb.GetJobResponse(job=job)

    lines = cli("show", JOB_ID, TZ="UTC").out.splitlines()

    assert [line.split(":", 1)[0] for line in lines].count("deadline") == 2
    assert {
        "state:    queued",
        "place:    3",
        "wait:     about 4 min",
        "run:      about 8 s (measured on 12 runs)",
        "blocked:  no worker serves this queue",
        "cost:     0.02 USD reserved",
        "cancel:   costs nothing now",
        "deadline: 2027-01-15 08:00:00 to start",
        "deadline: 2027-01-15 08:01:00 to end",
    } <= set(lines)


def test_a_running_job_shows_what_a_cancel_would_mean(cli: CommandLine, server: StandIn) -> None:
    asked = a_job("RUNNING")
    asked.cancel_request_time.seconds = 1
    ended = a_job("FAILED", cost=a_cost("UNCERTAIN"))
    ended.end_time.seconds = 1
    jobs = (a_job("RUNNING"), asked, ended)
    server.answers["GetJob"] = [pb.GetJobResponse(job=job) for job in jobs]

    running, to_be_cancelled, failed = (cli("show", JOB_ID).out for _ in jobs)

    assert "cancel:   may cost something now" in running
    assert "place:" not in running
    assert "cancel:   asked for" in to_be_cancelled
    assert "cancel:" not in failed
    assert "cost:     may have cost up to 0.02 USD" in failed


def test_cancel_says_what_happened(cli: CommandLine, server: StandIn) -> None:
    filtered = JobError(reason="CONTENT_FILTERED", message="not this")
    server.answers["CancelJob"] = [
        pb.CancelJobResponse(
            job=a_job("CANCELLED", cancel_reason="too blue", cost=a_cost("RELEASED"))
        ),
        pb.CancelJobResponse(job=a_job("RUNNING")),
        pb.CancelJobResponse(job=a_job("SUCCEEDED")),
        pb.CancelJobResponse(job=a_job("FAILED", error=filtered)),
    ]
    assert cli("cancel", JOB_ID, "--reason", "too blue").out == (
        f"Job {JOB_ID} cancelled: too blue; nothing charged\n"
    )
    assert cli("cancel", JOB_ID).out == f"Job {JOB_ID} will be cancelled.\n"
    for _ in range(2):
        late = cli("cancel", JOB_ID)
        assert (late.code, late.out) == (5, "")
        told = ("succeeded", "failed: not this (CONTENT_FILTERED)")
        assert any(
            late.err == f"Job {JOB_ID} has already {how}; nothing was cancelled.\n" for how in told
        )
    assert server.sent(pb.CancelJobRequest)[0].reason == "too blue"


def test_a_cancel_that_must_be_free_is_code_5_when_it_is_not(
    cli: CommandLine, server: StandIn
) -> None:
    server.answers["CancelJob"] = lambda _, context: refuse(
        context, Code.FAILED_PRECONDITION, "JOB_STATE_INVALID", "Cancelling may cost something now."
    )
    done = cli("cancel", JOB_ID, "--only-if-free")
    assert (done.code, done.err) == (5, "Cancelling may cost something now.\n")
    assert server.sent(pb.CancelJobRequest)[0].only_if_free


def test_a_retry_notes_what_the_server_warns_of(cli: CommandLine, server: StandIn) -> None:
    server.answers["RetryJob"] = pb.RetryJobResponse(
        job=a_job(job_id=OTHER_ID), warnings=["old will be shut down"]
    )
    done = cli("retry", JOB_ID)
    assert (done.code, done.out) == (0, f"{OTHER_ID}\n")
    assert done.err == "Warning: old will be shut down\n"


def test_a_retry_takes_the_options_of_a_job(cli: CommandLine, server: StandIn) -> None:
    server.answers["RetryJob"] = pb.RetryJobResponse(job=a_job(job_id=OTHER_ID))
    options = ("--max-cost", "2", "--finish-within", "90s", "--label", "a=b")
    assert cli("retry", JOB_ID, *options).code == 0
    [request] = server.sent(pb.RetryJobRequest)
    assert request.options.max_cost.units == 2
    assert request.options.finish_within.seconds == 90
    assert request.options.labels == {"a": "b"}


def test_retry_makes_a_new_job_and_may_wait_for_it(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    clip = a_clip(files.put("clip", (200, CLIP)))
    server.answers["RetryJob"] = pb.RetryJobResponse(job=a_job(job_id=OTHER_ID))
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job("FAILED"))
    server.watches = [runs_to(a_job("SUCCEEDED", OTHER_ID, outputs=[clip]))]
    assert cli("retry", JOB_ID).out == f"{OTHER_ID}\n"
    assert cli("retry", JOB_ID, "--out", "again.mp4").out == "again.mp4\n"
    assert server.sent(pb.RetryJobRequest)[0].options.request_id


def test_an_unknown_job_is_code_2(cli: CommandLine) -> None:
    done = cli("show", JOB_ID)
    assert (done.code, done.err) == (2, "There is no such job.\n")


def test_the_library_is_listed_binned_and_brought_back(cli: CommandLine, server: StandIn) -> None:
    media = Media(media_id=MEDIA_ID, type=Media.VIDEO, width=1280, height=720, title="Waves")
    server.answers = {
        "ListMedia": pb.ListMediaResponse(media=[media]),
        "DeleteMedia": pb.DeleteMediaResponse(media=media),
        "BatchDeleteMedia": pb.BatchDeleteMediaResponse(),
        "UndeleteMedia": pb.UndeleteMediaResponse(media=media),
    }
    listed = cli("ls", "--type", "video", "--query", "sea", "--starred", "--bin").out.split("\t")
    assert listed[:3] == [MEDIA_ID, "video", "1280x720"]
    [request] = server.sent(pb.ListMediaRequest)
    assert (request.type, request.query, request.starred) == (Media.VIDEO, "sea", True)
    assert request.deleted
    assert cli("rm", MEDIA_ID).out == f"{MEDIA_ID} in the bin\n"
    both = cli("rm", MEDIA_ID, OTHER_ID, "--permanent").out.splitlines()
    assert both == [f"{MEDIA_ID} deleted permanently", f"{OTHER_ID} deleted permanently"]
    assert list(server.sent(pb.BatchDeleteMediaRequest)[0].media_ids) == [MEDIA_ID, OTHER_ID]
    assert cli("undelete", MEDIA_ID).out == f"{MEDIA_ID} back in the library\n"


def test_a_media_item_is_downloaded_under_its_own_name_or_a_given_one(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    clip = a_clip(files.put("clip", (200, CLIP)), media_id="../../evil")
    server.answers["GetMedia"] = pb.GetMediaResponse(media=clip)
    assert cli("download", MEDIA_ID).out == "evil.mp4\n"
    assert (cli.folder / "evil.mp4").read_bytes() == CLIP
    assert cli("download", MEDIA_ID, "--out", "waves.mp4").out == "waves.mp4\n"


def test_damaged_bytes_are_code_1(cli: CommandLine, server: StandIn, files: Files) -> None:
    clip = a_clip(files.put("clip", (200, b"something else")))
    server.answers["GetMedia"] = pb.GetMediaResponse(media=clip)
    done = cli("download", MEDIA_ID, "--out", "waves.mp4")
    assert done.code == 1
    assert "damaged" in done.err


def test_models_and_prices(cli: CommandLine, server: StandIn) -> None:
    free = PriceLine(text="free", amount=Money(currency_code="USD"))
    ability = Ability(resolutions=["720p"], aspect_ratios=["16:9"], prices=[free])
    models = [Model(model="builtin-video", available=True, video=ability)]
    models[0].typical_duration.seconds = 90
    server.answers["ListModels"] = pb.ListModelsResponse(models=models)
    listed = cli("models").out.rstrip("\n").split("\t")
    assert listed == [
        *("builtin-video", "video", "yes", "", "90 s"),
        *("0.00 USD free", "720p", "16:9"),
    ]


def test_a_model_that_ends_is_listed_with_its_successor(cli: CommandLine, server: StandIn) -> None:
    model = Model(model="old", unavailable_reason="retired on 2026-05-12; use new")
    model.shutdown_time.FromJsonString("2026-05-12T00:00:00Z")
    model.replacement = "new"
    model.image.SetInParent()
    server.answers["ListModels"] = pb.ListModelsResponse(models=[model])
    listed = cli("models").out.rstrip("\n").split("\t")
    assert listed[2:4] == ["no: retired on 2026-05-12; use new", "2026-05-12, then new"]


def test_an_estimate_tells_price_wait_and_run_of_each_model(
    cli: CommandLine, server: StandIn
) -> None:
    known = pb.EstimateCostResponse.Estimate(model="a", cost=usd("0.40"), affordable=True)
    known.queue.sample_count = 12
    known.queue.estimated_wait.seconds, known.queue.estimated_run.seconds = 0, 200
    known.unsupported_fields.append("seed")
    unpriced = pb.EstimateCostResponse.Estimate(model="b")
    server.answers["EstimateCost"] = pb.EstimateCostResponse(estimates=[known, unpriced])

    models = ("--model", "a", "--model", "b")
    lines = cli("estimate", "video", "sea", "--duration", "4", *models).out.splitlines()

    assert [line.split("\t") for line in lines] == [
        ["a", "0.40 USD", "under 1 s", "3 min", "12", "", "does not support --seed"],
        ["b", "unknown", "unknown", "unknown", "0", "", "has no price here, so it can't be run"],
    ]
    [request] = server.sent(pb.EstimateCostRequest)
    assert (list(request.models), request.video.duration.seconds) == (["a", "b"], 4)
    assert request.video.model == ""


def test_an_estimate_says_what_stands_in_the_way(cli: CommandLine, server: StandIn) -> None:
    above = pb.EstimateCostResponse.Estimate(model="a", cost=usd("0.40"))
    blocked = pb.EstimateCostResponse.Estimate(model="b", cost=usd("0.40"))
    blocked.queue.blocked_reason = "the day's budget resets at 2026-11-22 00:00 UTC"
    server.answers["EstimateCost"] = pb.EstimateCostResponse(estimates=[above, blocked])

    lines = cli("estimate", "image", "sea").out.splitlines()

    notes = [line.split("\t")[-1] for line in lines]
    assert notes == ["above the budget", blocked.queue.blocked_reason]


def test_every_command_takes_json(cli: CommandLine, server: StandIn) -> None:
    job: dict[str, Any] = {"job": a_job()}
    media: dict[str, Any] = {"media": a_clip()}
    answers: list[tuple[str, Any, tuple[str, ...]]] = [
        ("GetJob", pb.GetJobResponse(**job), ("show", JOB_ID)),
        ("CancelJob", pb.CancelJobResponse(**job), ("cancel", JOB_ID)),
        ("RetryJob", pb.RetryJobResponse(**job), ("retry", JOB_ID)),
        ("UndeleteMedia", pb.UndeleteMediaResponse(**media), ("undelete", MEDIA_ID)),
        ("DeleteMedia", pb.DeleteMediaResponse(), ("rm", MEDIA_ID)),
    ]
    for name, answer, arguments in answers:
        server.answers[name] = answer
        assert json.loads(cli(*arguments, "--json").out)


def test_a_name_of_the_group_alone_shows_its_help(alone: CommandLine) -> None:
    check: Callable[..., Any] = alone
    for arguments in ((), ("generate",), ("estimate",)):
        done = check(*arguments)
        assert done.code == 2
        assert "Usage: " in done.err
        assert done.out == ""
    assert check("--help").code == check("-h").code == 0


def test_the_help_of_every_command_is_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups: Any = typer.main.get_command(app)
    for name in (None, *groups.commands):
        monkeypatch.setattr(sys, "argv", ["rushes", *([name] if name else []), "-h"])
        assert run() == 0
        shown = capsys.readouterr().out
        assert "-h, --help" in shown
        assert not re.search(r"<=|<\w+>|list\[", shown)
        assert name or "--version" in shown


def test_the_version_is_told(alone: CommandLine) -> None:
    assert alone("--version").out == f"{rushes.__version__}\n"


def test_a_shell_completes_commands_and_options(alone: CommandLine) -> None:
    asked = {"_RUSHES_COMPLETE": "complete_bash", "COMP_WORDS": "rushes ge", "COMP_CWORD": "1"}
    assert alone(**asked).out.split() == ["generate"]
    asked |= {"COMP_WORDS": "rushes jobs --la", "COMP_CWORD": "2"}
    assert alone(**asked).out.split() == ["--label"]
    shown = alone("--show-completion", "bash")
    assert "_RUSHES_COMPLETE=complete_bash" in shown.out


def test_an_id_may_be_shortened_to_a_beginning_that_no_other_has(
    cli: CommandLine, server: StandIn
) -> None:
    other = "02900000-0000-7000-8000-000000000001"
    known = [a_job(job_id=job_id) for job_id in (other, JOB_ID, OTHER_ID)]
    server.answers["ListJobs"] = pb.ListJobsResponse(jobs=known)
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job(job_id=other))

    assert cli("show", "029").code == 0
    assert server.sent(pb.GetJobRequest)[0].job_id == other
    several = cli("show", JOB_ID[:-1])
    assert (several.code, several.out) == (2, "")
    assert JOB_ID in several.err
    assert OTHER_ID in several.err
    assert cli("show", "03").err.startswith("None of your newest 10000 job IDs starts with '03'")
    assert cli("show", "boat").err == "'boat' is not a valid job ID.\n"


def test_every_command_takes_a_beginning(cli: CommandLine, server: StandIn, files: Files) -> None:
    clip = a_clip(files.put("clip", (200, CLIP)))
    done = a_job("SUCCEEDED", outputs=[clip])
    server.watches = [runs_to(done)]
    server.answers = {
        "ListJobs": pb.ListJobsResponse(jobs=[a_job()]),
        "ListMedia": pb.ListMediaResponse(media=[a_clip()]),
        "ListJobEvents": pb.ListJobEventsResponse(),
        "CancelJob": pb.CancelJobResponse(job=a_job("CANCELLED")),
        "RetryJob": pb.RetryJobResponse(job=a_job()),
        "DeleteMedia": pb.DeleteMediaResponse(),
        "UndeleteMedia": pb.UndeleteMediaResponse(media=a_clip()),
        "UpdateMedia": pb.UpdateMediaResponse(media=a_clip()),
        "GetMedia": pb.GetMediaResponse(media=clip),
    }
    job, media = JOB_ID[:-1], MEDIA_ID[:-1] + "A"
    for arguments in (("events", job), ("cancel", job), ("retry", job), ("watch", job)):
        assert cli(*arguments).code == 0
    for arguments in (("rm", media), ("undelete", media), ("update", media, "--no-star")):
        assert cli(*arguments).code == 0
    named = [r.job_id for r in server.requests if "job_id" in r.DESCRIPTOR.fields_by_name]
    assert set(named) == {JOB_ID}
    assert list(server.sent(pb.WatchJobsRequest)[0].job_ids) == [JOB_ID]


def test_a_media_item_gets_a_title_a_star_and_labels(cli: CommandLine, server: StandIn) -> None:
    renamed = Media(media_id=MEDIA_ID, title="Waves", starred=True)
    server.answers["UpdateMedia"] = pb.UpdateMediaResponse(media=renamed)
    done = cli("update", MEDIA_ID, "--title", "Waves", "--star", "--label", "project=")
    assert (done.code, done.out) == (0, f"{MEDIA_ID} * Waves\n")
    [request] = server.sent(pb.UpdateMediaRequest)
    assert (request.title, request.starred, dict(request.labels)) == (
        "Waves",
        True,
        {"project": ""},
    )
    nothing = cli("update", MEDIA_ID)
    assert nothing.code == 2
    assert "--title" in nothing.err


def test_all_outputs_of_a_job_are_downloaded(
    cli: CommandLine, server: StandIn, files: Files
) -> None:
    url = files.put("clip", (200, CLIP))
    clips = [a_clip(url, media_id=media_id) for media_id in ("a", "b")]
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job("SUCCEEDED", outputs=clips))
    assert cli("download", JOB_ID).out.split() == ["a.mp4", "b.mp4"]
    assert cli("download", JOB_ID, "--out", "x.mp4").out.split() == ["x-1.mp4", "x-2.mp4"]
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job("FAILED"))
    assert cli("download", JOB_ID).err == f"Job {JOB_ID} has no outputs.\n"
    del server.answers["GetJob"]
    unknown = cli("download", JOB_ID)
    assert (unknown.code, "no media item and no job" in unknown.err) == (2, True)


def test_a_retry_that_can_not_be_saved_is_refused_before_it_is_made(
    cli: CommandLine, server: StandIn
) -> None:
    server.answers["GetJob"] = pb.GetJobResponse(job=a_job("FAILED"))
    done = cli("retry", JOB_ID, "--out", "waves.png")
    assert (done.code, ".mp4" in done.err) == (2, True)
    assert server.sent(pb.RetryJobRequest) == []


def test_one_model_is_shown_whole(cli: CommandLine, server: StandIn) -> None:
    prices = [PriceLine(text=f"per second at {size}", amount=usd("0.40")) for size in ("1K", "2K")]
    ability = Ability(resolutions=["1K", "2K"], prices=prices, fields=["seed", "first_frame"])
    for seconds in (4, 5, 6):
        ability.durations.add(seconds=seconds)
    server.answers["ListModels"] = pb.ListModelsResponse(
        models=[Model(model="veo", available=True, video=ability), Model(model="other")]
    )
    assert cli("models", "veo").out.splitlines() == [
        "model:     veo",
        "available: yes",
        "makes:     video",
        "sizes:     1K 2K",
        "lengths:   4 to 6 s",
        "options:   --seed --first-frame",
        "price:     0.40 USD per second at 1K",
        "price:     0.40 USD per second at 2K",
    ]
    unknown = cli("models", "nope")
    assert (unknown.code, unknown.err) == (
        2,
        "There is no model nope. `rushes models` lists them.\n",
    )


def test_an_estimate_says_of_each_model_why_it_has_no_price(
    cli: CommandLine, server: StandIn
) -> None:
    retired = JobError(reason="MODEL_RETIRED", message="It was retired; use new.")
    estimates = [
        pb.EstimateCostResponse.Estimate(model="new", cost=usd("0.40"), affordable=True),
        pb.EstimateCostResponse.Estimate(model="old", error=retired),
    ]
    server.answers["EstimateCost"] = pb.EstimateCostResponse(estimates=estimates)
    done = cli("estimate", "image", "sea", "--model", "new", "--model", "old")
    new, old = (line.split("\t") for line in done.out.splitlines())
    assert (done.code, new[:2]) == (0, ["new", "0.40 USD"])
    assert old == ["old", "", "", "", "", "", "It was retired; use new (MODEL_RETIRED)"]


def test_the_presets_are_listed_with_their_texts(cli: CommandLine, server: StandIn) -> None:
    template = PromptTemplate(
        field="style_pack", name="nature", description="Landscapes", text="golden light"
    )
    server.answers["ListPromptTemplates"] = pb.ListPromptTemplatesResponse(
        prompt_templates=[template]
    )
    assert cli("templates").out == "--style-pack\tnature\tLandscapes\tgolden light\n"
    assert json.loads(cli("templates", "--json").out)["name"] == "nature"
