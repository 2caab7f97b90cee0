"""`rushes generate video` and `rushes generate image`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from rushes import Client, JobHandle, image_job, video_job
from rushes.cli.batches import check_batch, generate_batch, options_of_each
from rushes.cli.commands import command, new_group, spread
from rushes.cli.exits import Refusal
from rushes.cli.following import finish, submitted
from rushes.cli.options import HowOptions, ImageOptions, Prompt, RunOptions, VideoOptions
from rushes.cli.output import money, note, say, say_json
from rushes.cli.recipes import read_recipe
from rushes.cli.saving import check_out
from rushes.cli.session import Session
from rushes.cli.uploads import send_inputs
from rushes.errors import UnsupportedByModel
from rushes.fields import ImageJob, JobFields, VideoJob
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import BatchGenerateRequest

HELP = "Submit a job, watch it, and fetch what it made."

app = new_group(HELP)


def _from_recipe(
    context: typer.Context,
    session: Session,
    how: HowOptions,
    run: RunOptions,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Make an item again, from what `rushes recipe` printed."),
    ] = None,
) -> None:
    """Makes an item again; the options before `video` and `image` are for this alone."""
    if context.invoked_subcommand is not None:
        if recipe is not None:
            raise Refusal("--recipe: a recipe names all of the job; leave out what is made.")
        if how != HowOptions() or run != RunOptions():
            raise Refusal(f"Give the options of the job after {context.invoked_subcommand}.")
        return
    if recipe is None:
        raise Refusal("Name what to make: video, image, or --recipe FILE.")
    made = read_recipe(recipe)
    check_out(run.out, "video" if made.HasField("video") else "image")
    if made.partial:
        note("The recipe is partial: the item knew only its prompt, model and seed.")
    fields: JobFields = {**how.fields(), "validate_only": run.validate_only}
    _generate(session, run, lambda client: client.submit_recipe(made, **fields))


app.callback(help=HELP, invoke_without_command=True)(spread(_from_recipe))


@command(app, "video")
def video(
    session: Session, prompt: Prompt, spec: VideoOptions, how: HowOptions, run: RunOptions
) -> None:
    """Make a video; with several --model, one of each as a batch."""
    if len(spec.model) > 1:
        check_batch(how, run)
        made = [video_job(prompt, **one.fields(), **options_of_each(how)) for one in spec.each()]
        _generate_several(session, made, how, run)
        return
    check_out(run.out, "video")
    fields: VideoJob = {**spec.fields(), **how.fields(), "validate_only": run.validate_only}

    def submit(client: Client) -> JobHandle:
        send_inputs(session, client, fields)
        return client.submit_video(prompt, **fields)

    _generate(session, run, submit)


@command(app, "image")
def image(
    session: Session, prompt: Prompt, spec: ImageOptions, how: HowOptions, run: RunOptions
) -> None:
    """Make an image, or edit one; with several --model, one of each as a batch."""
    if len(spec.model) > 1:
        check_batch(how, run)
        options = options_of_each(how)
        made = [image_job(prompt, **one.fields(None), **options) for one in spec.each()]
        _generate_several(session, made, how, run)
        return
    check_out(run.out, "image")
    given = spec.fields(run.out)
    fields: ImageJob = {**given, **how.fields(), "validate_only": run.validate_only}

    def submit(client: Client) -> JobHandle:
        send_inputs(session, client, fields)
        try:
            return client.submit_image(prompt, **fields)
        except UnsupportedByModel as error:
            if spec.format is not None or "spec.output_mime_type" not in dict(error.violations):
                raise
        # The type came from the suffix of --out, and this model chooses the type itself.
        del fields["output_mime_type"]
        return client.submit_image(prompt, **fields)

    _generate(session, run, submit)


def _generate_several(
    session: Session,
    jobs: Sequence[BatchGenerateRequest.Request],
    how: HowOptions,
    run: RunOptions,
) -> None:
    with session.client() as client:
        generate_batch(session, client, jobs, how, run)


def _generate(session: Session, run: RunOptions, submit: Callable[[Client], JobHandle]) -> None:
    with session.client() as client:
        handle = submitted(lambda: submit(client))
        if run.validate_only:
            _say_valid(session, handle.job)
        elif not run.wait:
            say_json(handle.job) if session.json else say(handle.job_id)
        else:
            finish(session, client, handle.job, run.out)


def _say_valid(session: Session, job: Job) -> None:
    if session.json:
        say_json(job)
    else:
        say(f"Valid. The job would cost {money(job.cost.estimated)} on {job.model}.")
