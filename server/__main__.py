"""The gRPC server process: `python -m server`."""

import sys

import uvloop

from core.process.memory import collect_seldom
from core.process.role import run_role, serve_until_async
from core.process.settings import Settings
from server.app import ServerApp

# A thread that computes gives Python's lock away after so long when another one waits for it. The
# loop waits for it after each step of each call, so with the usual 5 ms, one user's long lists
# would make every call of others take a hundred times as long.
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Serves until SIGTERM; ends with one sentence when it can't start."""
    # With uvloop each call and each frame costs a tenth less than with asyncio's own loop.
    sys.exit(run_role("server", lambda settings: uvloop.run(_serve(settings))))


async def _serve(settings: Settings) -> int:
    """Returns 0 after it was asked to stop, 1 after a vital part died."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = ServerApp(settings)
    await app.start()
    collect_seldom()
    code = await serve_until_async(app.broken())
    await app.stop()
    return code


if __name__ == "__main__":
    main()
