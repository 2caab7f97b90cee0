"""The operator: pauses and resumes queues, and drains workers, while all else goes on."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from rushes.v1 import admin_service_pb2 as pb
from rushes.v1 import admin_service_pb2_grpc as rpc
from tests.crash.history import Recorder
from tests.crash.installation import Installation

OPERATOR = "operator"
QUEUES = ("image", "video")
CALL_SECONDS = 5.0
RETRY_SECONDS = 0.3
PAUSED_SECONDS = (2.5, 5.0)
REST_SECONDS = (2.0, 6.0)
# How long after the stop a queue is still resumed.
LATE_SECONDS = 20.0
DRAIN_SECONDS = 30.0
DRAINS = 0.4


class Operator(threading.Thread):
    """Operates until it is stopped, and leaves no queue paused.

    drain_seconds: how long a worker that is asked to end may take. It hands back what it runs, and
    may be frozen meanwhile. rest: from one deed to the next, in seconds.
    """

    def __init__(
        self,
        house: Installation,
        recorder: Recorder,
        seed: int,
        drain_seconds: float = DRAIN_SECONDS,
        rest: tuple[float, float] = REST_SECONDS,
    ) -> None:
        super().__init__(name=OPERATOR, daemon=True)
        self._house = house
        self._recorder = recorder
        self._drain_seconds = drain_seconds
        self._rest = rest
        self._dice = random.Random(f"{seed}-{OPERATOR}")
        self._stopped = threading.Event()
        self._stopped_at = float("inf")
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Resumes what is paused, and operates no more. The servers must answer.

        Raises:
            Exception: what broke the operator itself.
        """
        self._stopped_at = time.monotonic()
        self._stopped.set()
        if self.ident is not None:
            self.join()
        if self._failure is not None:
            raise self._failure

    def run(self) -> None:
        try:
            while not self._stopped.wait(self._dice.uniform(*self._rest)):
                if self._dice.random() < DRAINS:
                    self._drain()
                else:
                    self._pause(self._dice.choice(QUEUES))
        except BaseException as error:  # noqa: BLE001 - `stop` raises it
            self._failure = error

    def _pause(self, queue: str) -> None:
        """Pauses the queue for a while. It is resumed also when no answer came."""
        paused = self._insist("PauseQueue", pb.PauseQueueRequest(queue=queue), self._stopped.is_set)
        if paused is not None:
            self._recorder.write("paused", queue=queue)
            self._stopped.wait(self._dice.uniform(*PAUSED_SECONDS))
        self._recorder.write("resuming", queue=queue)
        self._insist("ResumeQueue", pb.ResumeQueueRequest(queue=queue), self._is_late)

    def _drain(self) -> None:
        """Asks one worker to end, and looks whether it does. Its supervisor starts another."""
        listed = self._insist("ListWorkers", pb.ListWorkersRequest(), self._stopped.is_set)
        alive = {process.pid for process in self._house.workers}
        found = [one for one in listed.workers if one.pid in alive] if listed else []
        if not found:
            return
        chosen = self._dice.choice(found)
        asked = pb.DrainWorkerRequest(worker_id=chosen.worker_id)
        if self._insist("DrainWorker", asked, self._stopped.is_set) is None:
            return
        told = {"worker": chosen.worker_id, "pid": chosen.pid}
        self._recorder.write("draining", **told)
        deadline = time.monotonic() + self._drain_seconds
        while self._runs(chosen.pid) and time.monotonic() < deadline:
            if self._stopped.wait(0.1):
                return
        self._recorder.write("drained", **told, ended=not self._runs(chosen.pid))

    def _is_late(self) -> bool:
        return time.monotonic() > self._stopped_at + LATE_SECONDS

    def _runs(self, pid: int) -> bool:
        return any(one.pid == pid and one.exit_code is None for one in self._house.workers)

    def _insist(self, method: str, request: Any, gives_up: Callable[[], bool]) -> Any | None:
        """The answer, however long the server is away; None for a refusal, or when it gives up."""
        while not gives_up():
            try:
                with grpc.insecure_channel(self._house.front()) as channel:
                    token = self._house.token(OPERATOR, scope="admin")
                    return getattr(rpc.AdminServiceStub(channel), method)(
                        request,
                        timeout=CALL_SECONDS,
                        metadata=(("authorization", f"Bearer {token}"),),
                    )
            except grpc.RpcError as error:
                if error.code() not in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    grpc.StatusCode.CANCELLED,
                    grpc.StatusCode.INTERNAL,
                ):
                    return None
                time.sleep(RETRY_SECONDS)
        return None
