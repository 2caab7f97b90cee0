"""How long a result took: a paid one from its submit until it was there, one made here to make."""

from pathlib import Path

from core.errors import Reason
from core.jobs import JobFailure
from core.store import Database, claims
from core.store.engine.sql import Statement
from tests.services import wait_for
from tests.unit.workers.running import DUE, execute, failing, image, job_of, paid_image
from tests.unit.workers.scripted import ScriptedPaid
from workers.polls.poller import Poller
from workers.providers import Providers, TryLater
from workers.providers.simulator import SimulatorProvider
from workers.runs.pipeline import Pipeline

MINUTE_MS = 60_000
# As if the job had waited for its turn, or the submit been sent, that long ago.
QUEUED_EARLIER = Statement(
    f"UPDATE job SET create_time = create_time - {MINUTE_MS} WHERE job_id = :job_id"
)
SENT_EARLIER = Statement(
    f"UPDATE intent SET create_time = create_time - {MINUTE_MS} WHERE job_id = :job_id"
)

ACCEPTED_EARLIER = Statement(
    f"UPDATE job SET submit_time = submit_time - {MINUTE_MS} WHERE job_id = :job_id"
)


def generation_ms(db: Database, job_id: str, index: int = 0) -> int:
    made = job_of(db, job_id).outputs[index].generation_ms
    assert made is not None
    return made


def test_a_result_that_was_polled_for_took_from_the_submit_on(
    pipeline: Pipeline, poller: Poller, db: Database, providers: Providers, tmp_path: Path
) -> None:
    assert isinstance(providers, dict)
    providers["paid"] = SimulatorProvider(tmp_path / "simulator")
    job_id = paid_image(db)
    execute(db, QUEUED_EARLIER, job_id)
    pipeline.run_next("image")
    execute(db, ACCEPTED_EARLIER, job_id)

    poller.start()
    wait_for(lambda: claims.claimable(db, "image", 4, 10) == 1, "a job to fetch")
    pipeline.run_next("image")

    assert MINUTE_MS <= generation_ms(db, job_id) < 2 * MINUTE_MS


def test_a_result_that_came_with_the_answer_took_from_the_submit_on(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    job_id = paid_image(db, output_count=2)
    payee.submitting = lambda job, read_input: execute(db, SENT_EARLIER, job_id)
    pipeline.run_next("image")

    assert MINUTE_MS <= generation_ms(db, job_id) < 2 * MINUTE_MS
    # They came together, whenever each was fetched.
    assert generation_ms(db, job_id, 1) == generation_ms(db, job_id)


def test_a_submit_that_was_refused_before_does_not_count(
    pipeline: Pipeline, db: Database, payee: ScriptedPaid
) -> None:
    failure = JobFailure(reason=Reason.PROVIDER_UNAVAILABLE, message="It is away.")
    payee.submitting = failing(TryLater(failure, sent=True))
    job_id = paid_image(db)
    pipeline.run_next("image")
    execute(db, SENT_EARLIER, job_id)

    payee.submitting = lambda job, read_input: None
    execute(db, DUE, job_id)
    pipeline.run_next("image")

    assert generation_ms(db, job_id) < MINUTE_MS


def test_a_result_that_was_made_here_took_as_long_as_that(pipeline: Pipeline, db: Database) -> None:
    job_id = image(db)
    execute(db, QUEUED_EARLIER, job_id)
    pipeline.run_next("image")
    assert generation_ms(db, job_id) < MINUTE_MS
