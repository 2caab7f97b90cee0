"""The composition root of the HTTP process: `python -m server.http`."""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import Any

import redis
from google.protobuf.json_format import MessageToDict

from core import decoding
from core.blobs import AddressSigner, Blobs, open_blobs
from core.media import Media
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.role import run_role
from core.process.settings import Settings
from core.recipes import Recipe
from core.store import Database, exports, media, open_database, recipes, shares
from core.store.exports import Export
from core.telling.stream import connect
from server.commands.uploads import Intake
from server.fair_executor import FairExecutor
from server.http.app import make_app, no_link
from server.http.bindings import Bindings, our_services
from server.http.bodies import Bodies
from server.http.credentials import Credentials
from server.http.downloads import Downloads
from server.http.exports import Exports, Item
from server.http.serve import serve
from server.http.servers import Servers
from server.http.streams import Streams
from server.http.tickets import Tickets
from server.http.uploads import Dock
from server.mapping import Mapper
from server.mapping.addresses import BlobAddresses
from server.mapping.recipes import recipe_to_proto

# Threads that write what comes in, and that look at whole files.
WRITERS = 8
FINISHERS = 4


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    sys.exit(run_role("http", _run))


def _run(settings: Settings) -> int:
    failpoints.arm(settings.failpoints)
    db = open_database(settings)
    # A database connection belongs to its thread, so look-ups run in a few threads that stay.
    threads = min(settings.server_threads, settings.database_connections)
    with (
        ThreadPoolExecutor(threads, "look-up") as pool,
        FairExecutor(WRITERS, "writer") as writers,
        FairExecutor(FINISHERS, "finisher") as finishers,
        connect(settings) as client,
    ):
        asyncio.run(_serve(settings, db, pool, client, writers, finishers))
    decoding.close()
    db.close()
    return 0


async def _serve(
    settings: Settings,
    db: Database,
    pool: Executor,
    client: redis.Redis,
    writers: FairExecutor,
    finishers: FairExecutor,
) -> None:
    signing_key = read_or_make_key(settings.signing_key_path)
    blobs = open_blobs(settings, signing_key)
    servers = Servers(settings.server_addresses)
    tickets = Tickets(client, settings.max_tickets)
    credentials = Credentials(servers, tickets, pool)
    streams = Streams(servers, credentials, settings.max_streams)
    app = make_app(
        find=partial(media.find, db),
        blobs=blobs,
        signer=AddressSigner(settings.address, signing_key),
        pool=pool,
        downloads=Downloads(settings.max_downloads, settings.max_user_downloads),
        credentials=credentials,
        streams=streams,
        checks=Bodies(Bindings(our_services())),
        exports=make_exports(settings, db, blobs),
        dock=make_dock(settings, db, blobs, pool, writers, finishers),
        find_link=partial(shares.find_link, db) if settings.share_links else no_link,
    )
    await serve(
        app,
        settings.http_listen,
        drain=streams.drain,
        drain_seconds=settings.drain_call_seconds,
        stuck_seconds=settings.reader_stuck_seconds,
    )
    await servers.close()


def make_exports(settings: Settings, db: Database, blobs: Blobs) -> Exports:
    """What gives the items of exports, as their owner sees them but without addresses."""
    addresses = BlobAddresses(blobs, settings.signed_url_ttl_seconds)
    mapper = Mapper(addresses, settings.currency, settings.max_outputs)

    def items(export: Export, media_ids: Sequence[str]) -> list[Item]:
        found = exports.items(db, export, media_ids)
        made = recipes.of_items(db, found)
        return [(media, made.get(media.media_id)) for media in found]

    def show(media: Media, recipe: Recipe | None) -> dict[str, Any]:
        shown = mapper.media_to_proto(media)
        for name in ("url", "thumbnail_url", "url_expire_time"):
            shown.ClearField(name)
        values = {"media": MessageToDict(shown)}
        if recipe is not None:
            values["recipe"] = MessageToDict(recipe_to_proto(recipe, settings.currency))
        return values

    found = partial(exports.find, db)
    return Exports(find=found, items=items, show=show, version=version("rushes-server"))


def make_dock(
    settings: Settings,
    db: Database,
    blobs: Blobs,
    look_ups: Executor,
    writers: FairExecutor,
    finishers: FairExecutor,
) -> Dock:
    """What takes uploads into the installation of the settings."""
    addresses = BlobAddresses(blobs, settings.signed_url_ttl_seconds)
    mapper = Mapper(addresses, settings.currency, settings.max_outputs)
    return Dock(
        intake=Intake(db, blobs, settings),
        signer=AddressSigner(settings.address, read_or_make_key(settings.signing_key_path)),
        # As the edge's JSON transcoder shows it.
        show=lambda media: MessageToDict(mapper.media_to_proto(media)),
        look_ups=look_ups,
        writers=writers,
        finishers=finishers,
        most=settings.max_uploads,
        stuck_seconds=settings.reader_stuck_seconds,
    )


if __name__ == "__main__":
    main()
