"""A supervisor over fake children: `fake_run.py FOLDER role=behaviour ...`, a process of its own.

Says `ready` on stdout; each child leaves its lives in FOLDER/<name>/.
"""

import asyncio
import os
import sys
from pathlib import Path

from standalone import restarts
from standalone.child import Command, Place
from standalone.screen import Screen
from standalone.supervisor import Roles, Supervisor

FAKE = str(Path(__file__).with_name("fake_child.py"))


def main() -> int:
    folder = Path(sys.argv[1])
    behaviours = dict(word.split("=") for word in sys.argv[2:])
    restarts.FIRST_PAUSE_SECONDS = 0.01

    def command(name: str) -> Command:
        (folder / name).mkdir()
        behaviour = behaviours.get(name, "serves").split(":")
        argv = (sys.executable, FAKE, behaviour[0], str(folder / name), *behaviour[1:])
        return Command(name, argv, dict(os.environ))

    roles = Roles(
        servers=(command("server-1"),),
        http=command("http"),
        workers=(command("worker-1"), command("worker-2")),
        valkey=command("valkey"),
        edge=command("envoy"),
        drain_run_seconds=float(behaviours.get("drain", "0")),
    )
    (folder / "logs").mkdir()
    screen = Screen()
    supervisor = Supervisor(roles, Place(folder, folder / "logs"), screen)
    return asyncio.run(supervisor.run(lambda: screen.log("ready")))


sys.exit(main())
