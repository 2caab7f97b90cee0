"""The composition root of the HTTP process: `python -m server.http`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.blobs import AddressSigner, open_blobs
from core.errors import RushesError, exit_code
from core.process import failpoints
from core.process.exposition import metrics_served
from core.process.keys import read_or_make_key
from core.process.settings import Settings, read_settings
from core.process.telemetry import configure_logging
from core.store import media, open_database
from server.http.app import make_app
from server.http.serve import serve


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    try:
        settings = read_settings()
        configure_logging(settings.log_level, "http", settings.process_name)
        with metrics_served(settings.metrics_listen):
            _run(settings)
    except RushesError as error:
        print(f"rushes: {error.message}", file=sys.stderr)
        sys.exit(exit_code(error))


def _run(settings: Settings) -> None:
    failpoints.arm(settings.failpoints)
    signing_key = read_or_make_key(settings.signing_key_path)
    db = open_database(settings)
    # A connection belongs to its thread, so look-ups have threads of their own that stay.
    threads = min(settings.server_threads, settings.database_connections)
    with ThreadPoolExecutor(threads, "look-up") as pool:
        app = make_app(
            find=partial(media.find, db),
            blobs=open_blobs(settings, signing_key),
            signer=AddressSigner(settings.address, signing_key),
            pool=pool,
        )
        asyncio.run(serve(app, settings.http_listen, settings.drain_call_seconds))
    db.close()


if __name__ == "__main__":
    main()
