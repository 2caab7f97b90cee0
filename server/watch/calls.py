"""WatchJobs as the service calls it: one watcher per call."""

import grpc

from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.store import Database
from core.tokens import Tokens
from rushes.v1 import media_service_pb2 as pb
from server.interceptors.layer import Context
from server.mapping import Mapper
from server.principal import Principal
from server.validation import Validator
from server.watch.hub import Hub
from server.watch.watcher import Watcher

log = get_logger(__name__)


class WatchCalls:
    """Serves watches with what all of them share."""

    def __init__(
        self,
        *,
        hub: Hub,
        db: Database,
        mapper: Mapper,
        tokens: Tokens,
        validator: Validator,
        settings: Settings,
    ) -> None:
        self._hub = hub
        self._db = db
        self._mapper = mapper
        self._tokens = tokens
        self._validator = validator
        self._settings = settings

    async def serve(
        self, request: pb.WatchJobsRequest, context: Context, principal: Principal
    ) -> None:
        """Writes responses until the caller leaves or the watch is done.

        Raises:
            RequestError: why the server ends the stream.
        """
        watcher = Watcher(
            hub=self._hub,
            db=self._db,
            mapper=self._mapper,
            tokens=self._tokens,
            principal=principal,
            query=self._validator.watch_jobs(request),
            write=context.write,
            stuck_seconds=self._settings.watcher_stuck_seconds,
        )
        try:
            await watcher.serve()
        except grpc.aio.InternalError:
            # The caller went away while a response was on its way: nobody is left to be told.
            log.debug("watcher_gone", user_id=principal.user_id)
