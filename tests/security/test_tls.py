"""TLS at the edge, to PostgreSQL and to Valkey: who shows a false certificate is not believed."""

import asyncio
import datetime
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import DependencyUnavailable
from core.process.settings import read_settings
from core.store import open_database
from core.store.engine.sql import Statement
from core.telling.stream import connect
from rushes.v1 import media_service_pb2, media_service_pb2_grpc
from tests.edge.conftest import StartEdge
from tests.edge.conftest import start_edge as start_edge
from tests.edge.stand_in import StandIn, serving
from tests.ports import free_port
from tests.services import DEADLINE_SECONDS, Postgres, Valkey

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardening.md"
FIRST_LINE = "- transport_socket_connect_timeout: 10s"
_CIPHER = Statement("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@dataclass(frozen=True)
class Certificate:
    """A certificate of this machine that signs itself, so that it is its own authority."""

    chain: Path
    key: Path


def new_certificate(folder: Path, name: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    found.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    found.key.chmod(0o600)
    return found


@pytest.fixture
def ours(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path, "ours")


@pytest.fixture
def another(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path, "another")


# The edge ---------------------------------------------------------------------------------------


def snippet(certificate: Certificate) -> str:
    """What the page adds to envoy.yaml, with this certificate."""
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    text = text.replace("/etc/rushes/edge.crt", str(certificate.chain))
    return str(text.replace("/etc/rushes/edge.key", str(certificate.key)))


@asynccontextmanager
async def edge_with_tls(start_edge: StartEdge, certificate: Certificate) -> Any:
    text = f"{FIRST_LINE}\n{snippet(certificate).rstrip()}"
    async with (
        start_edge(1, instead={FIRST_LINE: text}) as edge,
        serving(StandIn(), edge.servers[0]),
    ):
        yield edge


def spoken(port: int, context: ssl.SSLContext) -> str | None:
    """The version of TLS that the edge speaks with such a caller; None when it hangs up."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            return connection.version()
    except (ssl.SSLError, ConnectionError):
        return None


def caller(certificate: Certificate, *versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate.chain))
    if versions:
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this side refuses the old ones
        context.minimum_version, context.maximum_version = versions[0], versions[-1]
    return context


async def job_by_tls(port: int, certificate: Certificate) -> str:
    credentials = grpc.ssl_channel_credentials(certificate.chain.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        stub = media_service_pb2_grpc.MediaServiceStub(channel)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                try:
                    request = media_service_pb2.GetJobRequest(job_id="j1")
                    return str((await stub.GetJob(request)).job.job_id)
                except grpc.aio.AioRpcError:  # the edge has not found its server yet
                    await asyncio.sleep(0.05)


@pytest.mark.asyncio
async def test_the_edge_speaks_tls_as_the_page_says(
    start_edge: StartEdge, ours: Certificate, another: Certificate
) -> None:
    async with edge_with_tls(start_edge, ours) as edge:
        # gRPC works, and both current versions are spoken
        assert await job_by_tls(edge.port, ours) == "j1"
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = caller(ours, version)
            assert await asyncio.to_thread(spoken, edge.port, context) is not None
        assert await asyncio.to_thread(spoken, edge.port, caller(ours)) == "TLSv1.3"

        # Old versions are not, and who expects another certificate gets no further
        with pytest.warns(
            DeprecationWarning, match="TLSv1 is deprecated|TLSv1_1 is deprecated|TLSVersion"
        ):
            old = caller(ours, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
        assert await asyncio.to_thread(spoken, edge.port, old) is None
        assert await asyncio.to_thread(spoken, edge.port, caller(another)) is None

        # And nobody is served without TLS
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200" not in await asyncio.wait_for(reader.read(), DEADLINE_SECONDS)
        writer.close()


# PostgreSQL -------------------------------------------------------------------------------------


class PostgresWithTls(Postgres):
    """One that listens on a port of loopback too, with TLS."""

    def __init__(self, certificate: Certificate) -> None:
        self.port = free_port()
        super().__init__(settings=["ssl=on", "listen_addresses=127.0.0.1", f"port={self.port}"])
        for name, file in (("server.crt", certificate.chain), ("server.key", certificate.key)):
            copy = self.folder / name
            copy.write_bytes(file.read_bytes())
            copy.chmod(0o600)
            os.chown(copy, self.folder.stat().st_uid, -1)
        files = {"ssl_cert_file": "server.crt", "ssl_key_file": "server.key"}
        more = [f"{name}={self.folder / file}" for name, file in files.items()]
        self._settings = [*self._settings, *more]

    def url(self, name: str = "postgres") -> str:
        return f"{super().url(name)}&port={self.port}"

    def by_tls(self, certificate: Certificate) -> str:
        """The address as the page writes it, with the authority that is believed."""
        found = re.findall(r"RUSHES_DATABASE_URL='(.*?)'", PAGE.read_text())
        address = next(one for one in found if "verify-full" in one)
        address = re.sub(r"//.*/rushes\?", f"//rushes@localhost:{self.port}/postgres?", address)
        assert "/etc/rushes/ca.crt" in address
        return address.replace("/etc/rushes/ca.crt", str(certificate.chain))


@pytest.fixture
def database(ours: Certificate) -> Iterator[PostgresWithTls]:
    server = PostgresWithTls(ours)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_the_database_is_reached_by_tls_and_a_false_one_is_not(
    database: PostgresWithTls, ours: Certificate, another: Certificate
) -> None:
    db = open_database(read_settings(database_url=database.by_tls(ours)))
    try:
        assert db.row(_CIPHER) == (True, "TLSv1.3")
    finally:
        db.close()

    with pytest.raises(DependencyUnavailable):
        open_database(read_settings(database_url=database.by_tls(another)))


# Valkey -----------------------------------------------------------------------------------------


class TlsInFront:
    """A listener that takes TLS off before a unix socket: the wheel's Valkey has none itself."""

    def __init__(self, certificate: Certificate, behind: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        opened = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self._server = self._loop.run_until_complete(opened)
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection(str(self._behind))
        await asyncio.gather(_pass(reader, outer), _pass(inner, writer))

    def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        ended.add_done_callback(lambda _: self._loop.stop())


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def test_valkey_is_reached_by_tls_and_a_false_one_is_not(
    valkey: Valkey, ours: Certificate, another: Certificate
) -> None:
    with closing(TlsInFront(ours, valkey.socket)) as front:
        [address] = re.findall(r"RUSHES_REDIS_URL='(rediss://.*?)'", PAGE.read_text())
        address = re.sub("//.*/0", f"//localhost:{front.port}/0", address)
        assert "/etc/rushes/ca.crt" in address
        for believed in (ours, another):
            url = address.replace("/etc/rushes/ca.crt", str(believed.chain))
            with closing(connect(read_settings(redis_url=url))) as client:
                if believed is ours:
                    assert client.ping()
                else:
                    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
                        client.ping()
