"""The product with an administrator who watches all users, each of whom has one job that runs."""

import contextlib
from collections.abc import Iterator

from bench.harness.client import Plan, connect, encoded
from bench.harness.processes import Child, python
from bench.harness.systems import Running, Shape
from bench.installation import installation
from bench.systems.rushes import insert, roles_of
from rushes.v1 import admin_service_pb2 as admin_pb
from tests.ports import free_port

CHECKPOINT_SECONDS = 60


class Everyone:
    """Implements bench.harness.systems.System. The users of a shape are watched by one watcher."""

    name = "rushes"

    def __init__(self, database: str) -> None:
        self._database = database

    @contextlib.contextmanager
    def start(self, shape: Shape) -> Iterator[Running]:
        """Valkey, database, server, publisher and client."""
        port = free_port()
        with contextlib.ExitStack() as stack:
            running = stack.enter_context(
                installation(self._database, 0, port=port, in_memory=True)
            )
            insert(running, shape)
            publisher = Child(python("bench.systems.publisher", "1", "--rows"), running.environment)
            stack.callback(publisher.end)
            publisher.hello()
            request = admin_pb.WatchAllJobsRequest()
            request.checkpoint_interval.seconds = CHECKPOINT_SECONDS
            plan = Plan(
                host="127.0.0.1",
                ports=[port],
                places=[0],
                tokens=[running.token("operator", scope="admin")],
                requests=[encoded(request)],
            )
            pids = roles_of({role: process.pid for role, process in running.processes.items()})
            folder, module = running.data.parent, "bench.harness.everyone"
            connected = connect(stack, plan, folder, pids["server"], module=module)
            yield Running(
                pids=pids | {"publisher": publisher.pid, "client": connected.client.pid},
                client=connected.client,
                publisher=publisher,
                refused=connected.refused,
                connect_seconds=connected.seconds,
                before_kib=connected.before_kib,
            )
