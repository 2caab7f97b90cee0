"""The client of an administrator's watch: one stream with the jobs of all users.

It speaks the protocol of `bench.harness.client` with its harness. Each user has one job, so the
stamps of a job's changes rise.
"""

import time
from typing import Any

import uvloop

from bench.harness.client import Fleet, Watcher, read_plan, serve
from bench.harness.http2 import Stream, call_headers
from rushes.v1 import admin_service_pb2 as admin_pb
from rushes.v1 import media_service_pb2 as pb

PATH = "/rushes.v1.AdminService/WatchAllJobs"


class AllWatcher(Watcher):
    """One watch over all users. It has no token, and begins with a snapshot each time."""

    def open(self, connection: Any) -> None:
        """Opens the watch; it is live with SYNCED."""
        self.live_at, self.ended = 0.0, False
        stream = Stream(self._take, self._end)
        connection.call(call_headers(PATH, self.credentials), self.request, stream)

    def _take(self, message: bytes) -> None:
        now = time.time()
        events = admin_pb.WatchAllJobsResponse.FromString(message).events
        for event in events:
            if event.HasField("synced"):
                self.live_at = now
            elif event.HasField("job") and event.job.type != pb.JobEvent.CURRENT:
                job = event.job.job
                self.count(job.job_id, job.progress.message, now)
        if len(events) == 1:
            self.counts.sizes.append(len(message))


class AllFleet(Fleet):
    """All of them."""

    watcher = AllWatcher


if __name__ == "__main__":
    uvloop.run(serve(AllFleet(read_plan())))
