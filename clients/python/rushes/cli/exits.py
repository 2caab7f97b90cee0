"""Exit codes, and the one place where an error becomes a sentence and a code.

0 done · 1 the job failed or was cancelled, its result can't be saved, or nobody took a webhook's
ping · 2 usage or invalid request · 3 not signed in or not allowed · 4 the server can't be reached
or failed · 5 refused: budget, limit, retired model, state · 130 interrupted.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from rushes import errors
from rushes.cli.field_names import in_options, option
from rushes.cli.output import complain

DONE, JOB_FAILED, USAGE, NOT_ALLOWED, UNREACHABLE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# The first class that an error is an instance of gives the code.
_CODES: tuple[tuple[type[errors.RushesError], int], ...] = (
    (errors.JobEnded, JOB_FAILED),
    (errors.DownloadDamaged, JOB_FAILED),
    (errors.NotSignedIn, NOT_ALLOWED),
    (errors.NotAllowed, NOT_ALLOWED),
    (errors.InvalidRequest, USAGE),
    (errors.NotFound, USAGE),
    (errors.Conflict, USAGE),
    (errors.PreconditionFailed, REFUSED),
    (errors.LimitReached, REFUSED),
    (errors.NotSupported, REFUSED),
)

# The keys of an error's metadata that a person needs, in the order in which they are shown.
_FIGURES: dict[str, tuple[str, ...]] = {
    "COST_ABOVE_LIMIT": ("estimated", "max_cost"),
    "BUDGET_EXCEEDED": ("period", "required", "limit", "spent", "reserved", "reset_time"),
    "QUEUE_FULL": ("limit",),
    "SCOPE_MISSING": ("scope",),
    "PROVIDER_NOT_CONFIGURED": ("provider", "setting"),
}


class Refusal(Exception):
    """An error that the command line finds without the server: a sentence and an exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def exit_code(error: errors.RushesError) -> int:
    """The exit code that says what kind of error it was."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return UNREACHABLE


def sentence(error: errors.RushesError) -> str:
    """The error for people: names every wrong option, and the figures behind the refusal."""
    unnamed = [f"{field}: {text}" for field, text in error.violations if field not in error.message]
    return in_options("; ".join([_with_figures(error), *unnamed]))


def json_fields(error: errors.RushesError) -> dict[str, Any]:
    """The error for programs: `field` is the contract's name of the first wrong field."""
    violations = [
        {"field": field, "option": option(field), "description": text}
        for field, text in error.violations
    ]
    fields: dict[str, Any] = {"reason": error.reason, "requestId": error.request_id}
    fields["field"] = error.violations[0][0] if error.violations else ""
    return {**fields, "violations": violations, "metadata": error.metadata}


def _with_figures(error: errors.RushesError) -> str:
    known = ((key, error.metadata.get(key, "")) for key in _FIGURES.get(error.reason, ()))
    told = [f"{key} {value}" for key, value in known if value and value not in error.message]
    return f"{error.message.rstrip('.')}: {', '.join(told)}." if told else error.message


@contextmanager
def told_errors() -> Iterator[None]:
    """When the block fails, prints one sentence and ends the command with the right code."""
    try:
        yield
        sys.stdout.flush()
    except errors.RushesError as error:
        complain(sentence(error), json_fields(error))
        raise typer.Exit(exit_code(error)) from None
    except Refusal as refusal:
        complain(refusal.message)
        raise typer.Exit(refusal.code) from None
    except BrokenPipeError:
        # The reader has seen enough. Python would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(DONE) from None
    except OSError as error:
        complain(f"{error.filename or 'A file'}: {(error.strerror or str(error)).lower()}.")
        raise typer.Exit(JOB_FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
