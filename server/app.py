"""The composition root of the gRPC role: it chooses every part, starts and drains them in order."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from core import decoding
from core.blobs import AddressSigner, open_blobs
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
from core.telling.stream import RedisStream, connect
from core.telling.wakeups import JobQueue
from core.tokens import Tokens
from core.webhooks import Secrets
from server.commands.read import Read
from server.fair_executor import FairExecutor
from server.health import Health
from server.interceptors import build_chain
from server.interceptors.jwt_verifier import JwksKeys, KeySource, LocalKey, Verifier
from server.interceptors.key_ring import KeyRing
from server.interceptors.unknown import UnknownMethods
from server.mapping import Mapper
from server.mapping.addresses import BlobAddresses
from server.parts import Parts
from server.reflection import add_reflection
from server.services import PLANNED, SERVICES
from server.validation import Validator
from server.watch.calls import WatchCalls

log = get_logger(__name__)

MAX_SEND_BYTES = 8 * 1024 * 1024
STUCK_WATCH_GRACE_SECONDS = 1.0
_DRAIN_STEP_SECONDS = 0.02
LOOK_SECONDS = 0.5


class ServerApp:
    """One gRPC server process. Must be made in the event loop that it runs in."""

    def __init__(self, settings: Settings) -> None:
        failpoints.arm(settings.failpoints)
        self._settings = settings
        self.db = open_database(settings)
        self._pool = FairExecutor(settings.server_threads, "call")
        self._redis = connect(settings)
        parts = self._parts()
        self._watch = parts.watch
        self._read = parts.read
        self._health = Health()
        self._server = self._make_server(parts)
        self.port = 0

    def _parts(self) -> Parts:
        settings, db, pool = self._settings, self.db, self._pool
        signing_key = read_or_make_key(settings.signing_key_path)
        tokens = Tokens(signing_key)
        blobs = open_blobs(settings, signing_key)
        catalog = read_catalog(settings.models_file, settings.missing)
        prompts = read_prompts(settings.prompts_file)
        queues = Queues(db, settings.user_concurrency)
        stream = RedisStream(self._redis, settings)
        addresses = BlobAddresses(blobs, settings.signed_url_ttl_seconds)
        mapper = Mapper(addresses, settings.currency, settings.max_outputs)
        return Parts(
            settings=settings,
            db=db,
            pool=pool,
            blobs=blobs,
            signer=AddressSigner(settings.address, signing_key),
            tokens=tokens,
            secrets=Secrets(signing_key),
            catalog=catalog,
            prompts=prompts,
            queues=queues,
            changes=Changes(db, Teller(stream, JobQueue(self._redis))),
            validator=Validator(settings, catalog, prompts),
            mapper=mapper,
            read=Read(db, queues, tokens, pool, settings.max_waits),
            watch=WatchCalls(
                settings=settings,
                db=db,
                pool=pool,
                queues=queues,
                stream=stream,
                mapper=mapper,
                tokens=tokens,
            ),
        )

    def _make_server(self, parts: Parts) -> grpc.aio.Server:
        """The gRPC server with every service of SERVICES, health, and reflection if it is on."""
        settings = self._settings
        verifier = Verifier(_key_source(settings), settings)
        keys = KeyRing(parts.db, parts.pool.of(KeyRing))
        descriptors = [*(service.descriptor for service in SERVICES), *PLANNED]
        server = grpc.aio.server(
            interceptors=[build_chain(settings, verifier, keys, parts.pool, descriptors)],
            options=server_options(settings),
        )
        for service in SERVICES:
            service.add(service.build(parts), server)
        add_health: Any = health_pb2_grpc.add_HealthServicer_to_server
        add_health(self._health, server)
        names = [service.name for service in SERVICES]
        if settings.reflection:
            add_reflection(server, (*names, health.SERVICE_NAME))
        known = [str(descriptor.full_name) for descriptor in descriptors]
        server.add_generic_rpc_handlers((UnknownMethods(known),))
        return server

    @property
    def watch_count(self) -> int:
        """How many watches are open."""
        return self._watch.count

    async def broken(self) -> None:
        """Returns when a part died without which this process is of no use.

        gRPC's own loop is one: it ends at a path that is not UTF-8, which only those can send who
        reach the server past the edge.
        """
        tasks = [asyncio.create_task(part) for part in (self._watch.broken(), self._loop_ended())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _loop_ended(self) -> None:
        # `wait_for_termination` would wait until those have left who are connected.
        while self._takes_calls:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def _takes_calls(self) -> bool:
        inner: Any = self._server
        return bool(inner._server.is_running())

    async def start(self) -> None:
        """Listens and serves. Then `port` is the TCP port, or 0 on a unix socket.

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
        await self._watch.start()
        await self._server.start()
        serving: Any = health_pb2.HealthCheckResponse
        for service in SERVICES:
            await self._health.set(service.name, serving.SERVING)
        log.info("server_started", listen=listen, port=self.port)

    async def stop(self) -> None:
        """Drains: health says NOT_SERVING, then watches end, then calls get time to finish."""
        failpoints.hit("drain.begin")
        await self._health.enter_graceful_shutdown()
        self._watch.drain()
        self._read.drain()
        # A watcher that does not read can't be told anything: calls would wait for it in vain.
        # Without gRPC's loop nobody who waits is served.
        grace = self._settings.drain_call_seconds
        sound = await self._watches_ended() and self._takes_calls
        await self._server.stop(grace if sound else min(grace, STUCK_WATCH_GRACE_SECONDS))
        await self._watch.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        decoding.close()
        self._redis.close()
        self.db.close()
        log.info("server_stopped")

    async def _watches_ended(self) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.drain_watch_seconds
        while self._watch.count and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_STEP_SECONDS)
        return not self._watch.count


def server_options(settings: Settings) -> list[tuple[str, int]]:
    """Channel arguments of the server."""
    return [
        # With gRPC's default, a third of 10,000 streams opened at once ends with CANCELLED.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        # Seconds. When many watches return at once, the last ones wait longer than gRPC's 30 s.
        ("grpc.server_max_unrequested_time_in_server", 300),
        # Pings find half-open connections. Clients may ping as often as every 10 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        # Two processes on one port would look like one, so each needs a port of its own.
        ("grpc.so_reuseport", 0),
    ]


def _key_source(settings: Settings) -> KeySource:
    if settings.jwt_jwks_url:
        return JwksKeys(settings.jwt_jwks_url)
    return LocalKey(read_or_make_key(settings.jwt_key_path))
