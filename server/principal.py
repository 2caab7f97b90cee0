"""The caller, kept while its call runs."""

from contextvars import ContextVar
from dataclasses import dataclass

from core.errors import CredentialsMissing, ScopeMissing
from core.scopes import USUAL_SCOPES, Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller.

    Its token is good until `expire_time` (milliseconds of this host's clock, leeway included). A
    stream ends then. `scopes` are what it may do. With an API key `api_key_id` names it.
    """

    user_id: str
    expire_time: int
    scopes: frozenset[Scope] = USUAL_SCOPES
    api_key_id: str = ""


_principal: ContextVar[Principal | None] = ContextVar("principal", default=None)


def set_principal(principal: Principal) -> None:
    """Makes `principal` the caller of this call."""
    _principal.set(principal)


def current_principal() -> Principal | None:
    """The caller of this call; None before it is known."""
    return _principal.get()


def require_principal() -> Principal:
    """The caller of this call.

    Raises:
        CredentialsMissing: when nobody is signed in.
    """
    principal = _principal.get()
    if principal is None:
        raise CredentialsMissing
    return principal


def require_scope(scope: Scope) -> None:
    """Refuses the call if its caller lacks the scope.

    Raises:
        ScopeMissing: naming the scope.
    """
    if scope not in require_principal().scopes:
        raise ScopeMissing(scope=scope)
