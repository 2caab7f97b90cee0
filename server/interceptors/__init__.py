"""The way that every call takes, from the outside in.

1. `Observe` is first, so that each call has an id and a log line, whatever becomes of it.
2. `Boundary` next: all below may raise domain errors, and only it speaks gRPC codes.
3. `Auth` before anything that costs: a stranger's bytes are not even parsed.
4. `Limit` needs to know the user, and spares what comes after.
5. `Invoke` reads the request and runs the handler, in a thread unless it is async.

Health and reflection are open and pass all of them untouched.
"""

from concurrent.futures import Executor

from core.process.settings import Settings
from server.interceptors.auth import Auth
from server.interceptors.boundary import Boundary
from server.interceptors.credentials import Verifier
from server.interceptors.invoke import Invoke
from server.interceptors.layer import Layer
from server.interceptors.limit import Buckets, Limit
from server.interceptors.observe import Observe


def build_chain(settings: Settings, verifier: Verifier, pool: Executor) -> list[Layer]:
    """The interceptors in the order that grpc.aio takes them."""
    buckets = Buckets(settings.user_requests_per_second, settings.user_request_burst)
    return [
        Observe(),
        Boundary(),
        Auth(verifier, pool),
        Limit(buckets),
        Invoke(pool),
    ]
