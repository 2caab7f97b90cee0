"""Refuses callers whose token or API key lacks the scope of the method."""

from typing import Any

from server.interceptors.layer import Behaviour, Call, Context
from server.principal import require_scope
from server.rights import SCOPES


class Rights:
    """Looks the method up in the one table. A method that is not in it is unknown, and refused
    further inside."""

    async def around(self, call: Call, inner: Behaviour, request: Any, context: Context) -> Any:
        if scope := SCOPES.get(call.method):
            require_scope(scope)
        return await inner(request, context)
