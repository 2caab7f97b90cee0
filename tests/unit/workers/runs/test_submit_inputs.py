"""Inputs of a paid job are read before its intent: what fails then costs nothing."""

import pytest

from core.blobs import Blobs
from core.errors import Reason
from core.store import Database, media, submits
from tests.making import money, new_media
from tests.unit.workers.running import failure_of, paid_image
from tests.unit.workers.scripted import ScriptedPaid
from workers.runs.pipeline import Pipeline

pytestmark = pytest.mark.usefixtures("no_scratch_is_left")


def test_an_input_that_was_erased_costs_nothing(
    pipeline: Pipeline, db: Database, blobs: Blobs, payee: ScriptedPaid
) -> None:
    item = new_media()
    media.add(db, item)
    job_id = paid_image(db, spec={"references": (item.media_id,)})
    pipeline.run_next("image")
    assert failure_of(db, job_id).reason is Reason.INPUT_MEDIA_INVALID
    assert (payee.submitted, submits.of_job(db, job_id), money(db)) == ([], [], (0, 0))


def test_a_provider_reads_the_inputs_that_were_read_before(
    pipeline: Pipeline, db: Database, blobs: Blobs, payee: ScriptedPaid
) -> None:
    item = new_media()
    blobs.put_bytes(item.blob_key, b"reference")
    media.add(db, item)
    read: list[bytes] = []
    payee.submitting = lambda job, read_input: read.append(read_input(item.media_id))
    paid_image(db, spec={"references": (item.media_id,)})
    pipeline.run_next("image")
    assert read == [b"reference"]
