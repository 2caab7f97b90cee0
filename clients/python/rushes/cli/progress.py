"""How jobs are shown while they run: bars on a terminal, else one plain line per state change."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from rushes import RushesError, is_done
from rushes.cli.beside import lines_beside
from rushes.cli.output import clean, note
from rushes.cli.words import describe, describe_change, doing, left_text, queue_text
from rushes.v1.job_pb2 import Job
from rushes.v1.media_service_pb2 import ProgressEvent, WatchEvent

# The first 18 characters hold the time and a counter, so they differ between jobs.
SHOWN_ID_LENGTH = 18


class Screen(Protocol):
    """Shows the events of a watch."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def show(self, event: WatchEvent) -> None: ...
    def trouble(self, error: RushesError, delay: float) -> None: ...


class Lines:
    """One line per state change, given to `write`."""

    def __init__(self, write: Callable[[str], None] = note) -> None:
        self._write = write
        self._states: dict[str, int] = {}
        self._cut_off = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: WatchEvent) -> None:
        """Writes the job's state when it has changed, and what the event tells beside it."""
        self._cut_off = False
        if event.HasField("job"):
            self._change(event.job.job)
        for line in lines_beside(event):
            self._write(line)

    def trouble(self, error: RushesError, delay: float) -> None:
        """Says once that the connection is gone."""
        if not self._cut_off:
            self._cut_off = True
            note("The connection broke; trying again.")

    def _change(self, job: Job) -> None:
        if self._states.get(job.job_id) != job.state:
            self._states[job.job_id] = job.state
            self._write(f"Job {job.job_id} {describe_change(job)}")


class Bars:
    """One live bar per unfinished job, on stderr; ended jobs leave a line above."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[percent]}", markup=False),
            TextColumn("{task.fields[doing]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._reconciling: set[str] = set()
        self._greeted = False

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: WatchEvent) -> None:
        """Moves the bar of the event's job; what the event tells beside it leaves lines above."""
        kind = event.WhichOneof("event")
        if kind == "reset":
            for job_id in list(self._tasks):
                self._remove(job_id)
        elif kind == "synced" and not self._greeted:
            self._greeted = True
            if not self._tasks:
                self._console.print("Nothing is running. New jobs show up here.")
        elif kind == "progress":
            self._advance(event.progress)
        elif kind == "job":
            self._change(event.job.job)
        for line in lines_beside(event):
            self._console.print(Text(clean(line)))

    def trouble(self, error: RushesError, delay: float) -> None:
        """Says on every bar that the connection is gone."""
        for task in self._tasks.values():
            self._progress.update(task, doing="connection lost, trying again", left="")

    def _change(self, job: Job) -> None:
        if is_done(job):
            self._finish(job)
            return
        self._reconciling.discard(job.job_id)
        if job.state == Job.RECONCILING:
            self._reconciling.add(job.job_id)
            self._set(job.job_id, None, describe(job))
        elif job.HasField("queue"):
            self._set(job.job_id, None, queue_text(job.queue))
        elif job.HasField("progress"):
            self._advance(ProgressEvent(job_id=job.job_id, progress=job.progress))
        else:
            self._set(job.job_id, None, describe(job))

    def _finish(self, job: Job) -> None:
        if job.state == Job.SUCCEEDED and job.job_id in self._tasks:
            # A succeeded job must not disappear at 98 %.
            self._set(job.job_id, 100, "finished")
            self._progress.refresh()
        self._remove(job.job_id)
        self._console.print(Text(clean(f"Job {job.job_id} {describe_change(job)}")))

    def _advance(self, event: ProgressEvent) -> None:
        if event.job_id in self._reconciling:
            # Nobody knows whether the provider works on it, so a percentage would mislead.
            return
        if event.HasField("queue"):
            self._set(event.job_id, None, queue_text(event.queue))
            return
        progress = event.progress
        self._set(event.job_id, progress.percent, doing(progress), left_text(progress))

    def _set(self, job_id: str, percent: int | None, doing: str, left: str = "") -> None:
        total = None if percent is None else 100.0
        shown: dict[str, Any] = {
            "percent": "" if percent is None else f"{percent:3d} %",
            "doing": clean(doing),
            "left": left,
        }
        task = self._tasks.get(job_id)
        if task is None:
            name = clean(job_id[:SHOWN_ID_LENGTH])
            self._tasks[job_id] = self._progress.add_task(name, total=total, **shown)
        else:
            self._progress.update(task, total=total, completed=percent or 0, **shown)

    def _remove(self, job_id: str) -> None:
        task = self._tasks.pop(job_id, None)
        if task is not None:
            self._progress.remove_task(task)
