"""An https server on loopback with a certificate of the test's own, and a listener that counts."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.fetching import Fetcher
from core.fetching.addresses import IPAddress

HOST = "media.example.com"
_DAY = datetime.timedelta(days=1)
# What a server sends once the request is there.
Answer = Callable[[ssl.SSLSocket], None]


@dataclass
class Site:
    """The server: where it listens, who signs for it, and what it was asked."""

    port: int
    trust: ssl.SSLContext
    address: str = "127.0.0.1"
    asked: list[bytes] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)

    def fetcher(self, left_bytes: int = 1_000_000, seconds: float = 10.0) -> Fetcher:
        """One that takes loopback for public and finds every host here."""

        def resolve(host: str) -> list[IPAddress]:
            self.resolved.append(host)
            return [ipaddress.ip_address(self.address)]

        return Fetcher(
            left_bytes,
            seconds,
            allows=lambda address: address.is_loopback,
            resolve=resolve,
            port=self.port,
            tls=self.trust,
        )


@contextmanager
def site(folder: Path, answer: Answer | bytes, host: str = HOST) -> Iterator[Site]:
    """A server that gives each request the same answer, for the block."""
    certificate, key = _identity(folder, host)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Site(listener.getsockname()[1], ssl.create_default_context(cafile=certificate))

        def serve() -> None:
            with suppress(OSError):
                while True:
                    raw, _ = listener.accept()
                    with suppress(OSError), served.wrap_socket(raw, server_side=True) as secure:
                        made.asked.append(secure.recv(65_536))
                        if isinstance(answer, bytes):
                            secure.sendall(answer)
                        else:
                            answer(secure)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield made
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@contextmanager
def canary() -> Iterator[tuple[int, list[str]]]:
    """A port of all loopback addresses, and who connected to it."""
    connections: list[str] = []
    with socket.create_server(("0.0.0.0", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection, peer = listener.accept()
                    connections.append(str(peer))
                    connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def answer_of(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """The bytes of an HTTP answer."""
    fields = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def _identity(folder: Path, host: str) -> tuple[Path, Path]:
    """The files of a certificate for the host that signs for itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{host}.pem", folder / f"{host}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
