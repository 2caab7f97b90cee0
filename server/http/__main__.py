"""The composition root of the HTTP process: `python -m server.http`."""

import asyncio
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

import redis

from core.blobs import AddressSigner, open_blobs
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.role import run_role
from core.process.settings import Settings
from core.store import Database, media, open_database
from core.telling.stream import connect
from server.http.app import make_app
from server.http.credentials import Credentials
from server.http.downloads import Downloads
from server.http.serve import serve
from server.http.servers import Servers
from server.http.streams import Streams
from server.http.tickets import Tickets


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    sys.exit(run_role("http", _run))


def _run(settings: Settings) -> int:
    failpoints.arm(settings.failpoints)
    db = open_database(settings)
    # A database connection belongs to its thread, so look-ups run in a few threads that stay.
    threads = min(settings.server_threads, settings.database_connections)
    with ThreadPoolExecutor(threads, "look-up") as pool, connect(settings) as client:
        asyncio.run(_serve(settings, db, pool, client))
    db.close()
    return 0


async def _serve(settings: Settings, db: Database, pool: Executor, client: redis.Redis) -> None:
    signing_key = read_or_make_key(settings.signing_key_path)
    servers = Servers(settings.server_addresses)
    tickets = Tickets(client, settings.max_tickets)
    credentials = Credentials(servers, tickets, pool)
    streams = Streams(servers, credentials, settings.max_streams)
    app = make_app(
        find=partial(media.find, db),
        blobs=open_blobs(settings, signing_key),
        signer=AddressSigner(settings.address, signing_key),
        pool=pool,
        downloads=Downloads(settings.max_downloads, settings.max_user_downloads),
        credentials=credentials,
        streams=streams,
    )
    await serve(
        app,
        settings.http_listen,
        drain=streams.drain,
        drain_seconds=settings.drain_call_seconds,
        stuck_seconds=settings.reader_stuck_seconds,
    )
    await servers.close()


if __name__ == "__main__":
    main()
