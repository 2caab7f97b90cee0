"""`rushes-admin`: commands for an administrator, which work on the database and files directly.

Exit codes are those of `rushes`: 0 done · 1 failed · 2 usage or settings · 4 the database can't be
reached · 5 refused · 130 interrupted.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import TyperException

from admin import (
    announcing,
    apikeys,
    budget,
    models,
    providers,
    queues,
    reconcile,
    storage,
    users,
    workers,
)
from admin.backup import back_up
from admin.restore import restore
from admin.site import Site, find_site
from core.catalog.models import LOCAL_PROVIDERS
from core.errors import (
    DataNewer,
    DependencyUnavailable,
    FieldInvalid,
    JobStateInvalid,
    NotFound,
    ResourceLimitReached,
    RushesError,
    SettingsInvalid,
)
from core.process import failpoints
from core.process.telemetry import log_command
from core.store.overview import look
from core.store.restore import begin_anew
from core.times import iso

DONE, FAILED, USAGE, UNREACHABLE, REFUSED, INTERRUPTED = 0, 1, 2, 4, 5, 130
# The first class that fits gives the exit code.
_CODES: tuple[tuple[type[RushesError], int], ...] = (
    (SettingsInvalid, USAGE),
    (NotFound, USAGE),
    (FieldInvalid, USAGE),
    (ResourceLimitReached, REFUSED),
    (DependencyUnavailable, UNREACHABLE),
    (JobStateInvalid, REFUSED),
    (DataNewer, REFUSED),
)

app = typer.Typer(
    help="Manage budgets, uncertain costs, storage, backups and providers of an installation.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
epoch = typer.Typer(help="The epoch: the name of the database's history.", no_args_is_help=True)
app.add_typer(announcing.app, name="announce")
app.add_typer(apikeys.app, name="apikey")
app.add_typer(budget.app, name="budget")
app.add_typer(models.app, name="models")
app.add_typer(providers.app, name="providers")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(storage.app, name="storage")
app.add_typer(epoch, name="epoch")
for single in (queues, users, workers):
    app.add_typer(single.app)


@app.callback()
def common(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="The data folder. Default: RUSHES_DATA_DIR, or the nearest .rushes folder."
        ),
    ] = None,
) -> None:
    """Finds the installation."""
    site = find_site(data_dir)
    failpoints.arm(site.settings.failpoints)
    context.obj = site


@app.command("backup")
def backup_command(context: typer.Context, file: Path) -> None:
    """Write database, blobs, keys and journals into one file. Rushes may run meanwhile."""
    site: Site = context.obj
    manifest = back_up(site, file.absolute())
    print(f"{file}: {len(manifest.files)} files, {file.stat().st_size} bytes. It holds the keys.")
    if not manifest.blobs:
        print(f"The blobs are not in it: copy {site.settings.blobs} too.")


@app.command("restore")
def restore_command(
    context: typer.Context,
    file: Path,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace existing data, which is kept under another name."),
    ] = False,
) -> None:
    """Restore a backup. Rushes must not run meanwhile."""
    done = restore(context.obj, file.absolute(), force=force)
    made = iso(int(done.manifest.create_time * 1000))
    print(f"Restored {len(done.manifest.files)} files of {made}.")
    for path in done.set_aside:
        print(f"Set aside: {path}")
    _say_doubtful(done.restored.doubtful)


@epoch.command("renew")
def renew(context: typer.Context) -> None:
    """Start a new epoch after the database was restored by other means.

    Run it before anything else uses the database.
    """
    site: Site = context.obj
    with site.database() as db:
        if look(db).live_workers:
            raise JobStateInvalid("Workers run on this database: stop them first.")
        restored = begin_anew(db, LOCAL_PROVIDERS)
    print(f"The epoch is {restored.epoch}: every older resume token gets a RESET.")
    _say_doubtful(restored.doubtful)


def _say_doubtful(count: int) -> None:
    if count:
        print(
            f"{count} jobs may have been submitted in the lost time and will not be sent again: "
            "see rushes-admin reconcile list"
        )


def main() -> int:
    """Runs the command in sys.argv; the exit code."""
    # Files that a restore makes belong to their owner alone.
    os.umask(0o077)
    log_command()
    run: Callable[..., Any] = app
    try:
        return int(run(standalone_mode=False) or DONE)
    except TyperException as error:
        return _say(error.format_message(), error.exit_code)
    except RushesError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
        return _say(error.message, code)
    except OSError as error:
        what = (error.strerror or "it failed").lower()
        return _say(f"{error.filename or 'A file'}: {what}.", FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def _say(text: str, code: int) -> int:
    if text:
        print(text, file=sys.stderr)
    return code
