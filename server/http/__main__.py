"""The composition root of the HTTP process: `python -m server.http`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.blobs import AddressSigner, open_blobs
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.role import run_role
from core.process.settings import Settings
from core.store import media, open_database
from server.http.app import make_app
from server.http.bindings import Bindings, our_services
from server.http.bodies import Bodies
from server.http.downloads import Downloads
from server.http.serve import serve


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    sys.exit(run_role("http", _run))


def _run(settings: Settings) -> int:
    failpoints.arm(settings.failpoints)
    signing_key = read_or_make_key(settings.signing_key_path)
    db = open_database(settings)
    # A database connection belongs to its thread, so look-ups run in a few threads that stay.
    threads = min(settings.server_threads, settings.database_connections)
    with ThreadPoolExecutor(threads, "look-up") as pool:
        app = make_app(
            find=partial(media.find, db),
            blobs=open_blobs(settings, signing_key),
            signer=AddressSigner(settings.address, signing_key),
            pool=pool,
            checks=Bodies(Bindings(our_services())),
            downloads=Downloads(settings.max_downloads, settings.max_user_downloads),
        )
        serving = serve(
            app,
            settings.http_listen,
            drain_seconds=settings.drain_call_seconds,
            stuck_seconds=settings.reader_stuck_seconds,
        )
        asyncio.run(serving)
    db.close()
    return 0


if __name__ == "__main__":
    main()
