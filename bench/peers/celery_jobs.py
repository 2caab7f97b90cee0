"""Celery with Redis as its broker, as it is by default; results are not kept. BENCH_LATE=1 makes it
acknowledge a job after its end. `-m bench.peers.celery_jobs COUNT` enqueues."""

import os
import sys

from celery import Celery

from bench.peers import noop

app = Celery("bench", broker=f"redis+socket://{noop.SOCKET}")
app.conf.update(
    task_ignore_result=True,
    task_acks_late=os.environ.get("BENCH_LATE") == "1",
    task_reject_on_worker_lost=os.environ.get("BENCH_LATE") == "1",
)


@app.task
def job(number: str) -> None:
    """The job."""
    noop.run(number)


if __name__ == "__main__":
    from bench.peers.celery_jobs import job as named  # not the one of `__main__`

    with noop.enqueueing():
        for place in range(int(sys.argv[1])):
            named.delay(str(place))
