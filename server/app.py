"""The composition root of the gRPC role: chooses every part, starts and drains them in order."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.catalog.prompts import read_prompts
from core.errors import SettingsInvalid
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.store import open_database
from core.store.places import Queues
from core.telling.changes import Changes, Teller
from core.telling.stream import EventStream, connect
from core.telling.wakeups import JobQueue, open_broker
from core.tokens import Tokens
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from server.commands.cancel import Cancel
from server.commands.library import Library
from server.commands.read import Read
from server.commands.submit import Submit
from server.interceptors import build_chain
from server.interceptors.credentials import JwksKeys, KeySource, LocalKey, Verifier
from server.interceptors.unknown import UnknownMethods
from server.mapping import Mapper
from server.mapping.addresses import BlobAddresses
from server.reflection import add_reflection
from server.services.media import MediaService
from server.validation import Validator
from server.watch.calls import WatchCalls
from server.watch.hub import Hub

log = get_logger(__name__)

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["MediaService"].full_name
MAX_SEND_BYTES = 8 * 1024 * 1024
STUCK_WATCH_GRACE_SECONDS = 1.0
_DRAIN_STEP_SECONDS = 0.02


class ServerApp:
    """One gRPC server process. Must be made in the event loop that it runs in."""

    def __init__(self, settings: Settings) -> None:
        failpoints.arm(settings.failpoints)
        self._settings = settings
        signing_key = read_or_make_key(settings.signing_key_path)
        verifier = Verifier(_key_source(settings), settings)
        catalog = read_catalog(settings.models_file, settings.missing)
        blobs = open_blobs(settings, signing_key)
        tokens = Tokens(signing_key)
        self.db = open_database(settings)
        self._pool = ThreadPoolExecutor(settings.server_threads, "call")
        self._redis = connect(settings)
        self._broker = open_broker(self._redis)
        stream = EventStream(self._redis, settings.stream_shards)
        changes = Changes(self.db, Teller(stream, JobQueue(self._broker)))
        addresses = BlobAddresses(blobs, settings.signed_url_ttl_seconds)
        mapper = Mapper(addresses, settings.currency, settings.max_outputs)
        prompts = read_prompts(settings.prompts_file)
        validator = Validator(settings, catalog, prompts)
        queues = Queues(self.db, settings.user_concurrency)
        self._hub = Hub(settings, self.db, self._pool, mapper, queues)
        self._read = Read(self.db, queues, tokens, self._pool)
        service = MediaService(
            validator=validator,
            mapper=mapper,
            catalog=catalog,
            prompts=prompts,
            submit=Submit(self.db, queues, blobs, catalog, changes, settings),
            cancel=Cancel(queues, changes),
            read=self._read,
            library=Library(self.db, blobs, tokens, settings),
            watch=WatchCalls(
                hub=self._hub,
                db=self.db,
                mapper=mapper,
                tokens=tokens,
                validator=validator,
                settings=settings,
            ),
            pool=self._pool,
        )
        aio_health: Any = health
        self._health: Any = aio_health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=build_chain(settings, verifier, self._pool),
            options=server_options(settings),
        )
        rpc.add_MediaServiceServicer_to_server(service, self._server)
        add_health: Any = health_pb2_grpc.add_HealthServicer_to_server
        add_health(self._health, self._server)
        if settings.reflection:
            add_reflection(self._server, (SERVICE_NAME, health.SERVICE_NAME))
        self._server.add_generic_rpc_handlers((UnknownMethods(),))
        self.port = 0

    @property
    def watch_count(self) -> int:
        """How many watches are open."""
        return self._hub.watch_count

    async def broken(self) -> None:
        """Returns when a part of this process died that it can't do without."""
        await self._hub.broken.wait()

    async def start(self) -> None:
        """Listens and serves; `port` is the TCP port, 0 on a unix socket.

        Raises:
            SettingsInvalid: when it can't listen there.
            DependencyUnavailable: when the database can't be reached.
        """
        listen = self._settings.grpc_listen
        try:
            self.port = self._server.add_insecure_port(listen)
        except RuntimeError:
            raise SettingsInvalid(f"RUSHES_GRPC_LISTEN: can't listen on {listen}") from None
        if listen.startswith("unix:"):
            self.port = 0
        await self._hub.start()
        await self._server.start()
        serving: Any = health_pb2.HealthCheckResponse
        await self._health.set(SERVICE_NAME, serving.SERVING)
        log.info("server_started", listen=listen, port=self.port)

    async def stop(self) -> None:
        """Drains: no new calls are sent here, watches end first, then calls have their time."""
        failpoints.hit("drain.begin")
        await self._health.enter_graceful_shutdown()
        self._hub.drain()
        self._read.drain()
        # A watcher that does not read can't be told anything: calls would wait for it in vain.
        grace = self._settings.drain_call_seconds
        ended = await self._watches_ended()
        await self._server.stop(grace if ended else min(grace, STUCK_WATCH_GRACE_SECONDS))
        await self._hub.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._broker.close()
        self._redis.close()
        self.db.close()
        log.info("server_stopped")

    async def _watches_ended(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain_watch_seconds
        while self._hub.watch_count and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_STEP_SECONDS)
        return not self._hub.watch_count


def server_options(settings: Settings) -> list[tuple[str, int]]:
    """Channel arguments of the server."""
    return [
        # By default a third of 10,000 streams opened at once is killed with CANCELLED.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        # Half-open connections are found, and clients may ask as often as every 10 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        # Two processes on one port would look like one: each has its own.
        ("grpc.so_reuseport", 0),
    ]


def _key_source(settings: Settings) -> KeySource:
    if settings.jwt_jwks_url:
        return JwksKeys(settings.jwt_jwks_url)
    return LocalKey(read_or_make_key(settings.jwt_key_path))
