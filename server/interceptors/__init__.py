"""The layers that every call passes, from the outside in.

1. `Observe` is first, so that each call gets an id and a log line, whatever becomes of it.
2. `Boundary` comes next: everything below may raise domain errors, and only it knows gRPC codes.
3. `Auth` comes before anything that costs: a stranger's bytes are not even parsed.
4. `Limit` needs to know the user, and protects the layers below.
5. `Rights` refuses what the caller's scopes do not allow.
6. `Invoke` reads the request and runs the handler, in a thread unless the handler is async.

Calls of health and of reflection are open and pass all layers untouched.
"""

from collections.abc import Iterable

from google.protobuf.descriptor import ServiceDescriptor

from core.process.settings import Settings
from server.fair_executor import FairExecutor
from server.interceptors.auth import Auth
from server.interceptors.boundary import Boundary
from server.interceptors.invoke import Invoke
from server.interceptors.jwt_verifier import Verifier
from server.interceptors.key_ring import KeyRing
from server.interceptors.layer import Chain
from server.interceptors.limit import Buckets, Limit
from server.interceptors.observe import Observe
from server.interceptors.rights import Rights


def build_chain(
    settings: Settings,
    verifier: Verifier,
    keys: KeyRing,
    pool: FairExecutor,
    services: Iterable[ServiceDescriptor],
) -> Chain:
    """The interceptor that has all layers."""
    buckets = Buckets(settings.user_requests_per_second, settings.user_request_burst)
    opens = Buckets(settings.user_watch_opens_per_second, settings.user_watch_open_burst)
    limit = Limit(buckets, opens, pool, settings.user_waiting_calls)
    auth = Auth(verifier, keys, pool.of(Auth))
    layers = (Observe(services), Boundary(), auth, limit, Rights())
    return Chain(layers, Invoke(pool))
