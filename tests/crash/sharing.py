"""The sharer: makes links to items, ends them in each way, and keeps looking, as visitors do.

Its user is none of the load's, because it deletes items and puts them back.
"""

import http.client
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from rushes import Client, Share
from rushes.errors import DeadlineExceeded, NotFound, RushesError, Unavailable
from tests.crash.history import Recorder
from tests.crash.installation import Installation

T = TypeVar("T")
OWNER = "sharer"
WAYS = ("revoke", "bin", "time")
RETRY_SECONDS = 0.3
MAKE_SECONDS = 10.0
LOOK_SECONDS = 10.0
SHORT_SECONDS = 1.5
# How many links that have ended are looked at again each time.
OLD_LOOKS = 3


@dataclass(frozen=True)
class Link:
    """What a visitor has: the path and the query of each address."""

    share_id: str
    media_id: str
    targets: tuple[str, ...]


class Sharer(threading.Thread):
    """Shares until it is stopped; whatever fails is tried again, as a careful caller does."""

    def __init__(self, house: Installation, recorder: Recorder, seed: int) -> None:
        super().__init__(name="sharer", daemon=True)
        self._house = house
        self._recorder = recorder
        self._dice = random.Random(seed)
        self._stopped = threading.Event()
        self._ended: list[Link] = []
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Shares nothing more.

        Raises:
            Exception: what broke the sharer itself.
        """
        self._stopped.set()
        if self.ident is not None:
            self.join()
        if self._failure is not None:
            raise self._failure

    def run(self) -> None:
        try:
            self._share()
        except BaseException as error:  # noqa: BLE001 - `stop` raises it
            self._failure = error

    def _share(self) -> None:
        with self._house.client(OWNER) as client:
            while not self._stopped.is_set():
                media_id = self._insist(lambda: _item(client))
                for way in self._dice.sample(WAYS, len(WAYS)) if media_id else ():
                    self._round(client, str(media_id), way)

    def _round(self, client: Client, media_id: str, way: str) -> None:
        """One link, from its beginning to a while after its end."""
        seconds = SHORT_SECONDS if way == "time" else 3600.0
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        share = self._insist(lambda: client.share_link(media_id, expire_time=end))
        if share is None:
            return
        link = _link(share)
        expires = share.expire_time.ToMilliseconds()
        self._recorder.write("link", share=link.share_id, media=media_id, expires=expires)
        self._look(link)
        if not self._end(client, link, way):
            return
        self._look(link)
        if way == "bin":
            self._insist(lambda: client.undelete_media(media_id))
        self._ended.append(link)
        for old in [link, *self._dice.sample(self._ended, min(OLD_LOOKS, len(self._ended)))]:
            self._look(old)

    def _end(self, client: Client, link: Link, way: str) -> bool:
        """Ends the link; whether it is known that it has ended."""
        if way == "time":
            return not self._stopped.wait(SHORT_SECONDS)
        ways: dict[str, Callable[[], object]] = {
            "revoke": lambda: client.revoke_share(link.share_id),
            "bin": lambda: client.delete_media(link.media_id),
        }
        self._recorder.write("ending", share=link.share_id, how=way)
        done = self._insist(lambda: (ways[way](),))
        if done is not None:
            self._recorder.write("ended", share=link.share_id, how=way)
        return done is not None

    def _look(self, link: Link) -> None:
        """Asks for each address of the link once; an HTTP process that is away says nothing."""
        for target in link.targets:
            asked, asked_ms = time.monotonic_ns(), time.time_ns() // 1_000_000
            status = _status(self._house.http_port, target)
            self._recorder.write(
                "look", share=link.share_id, asked=asked, asked_ms=asked_ms, status=status
            )

    def _insist(self, call: Callable[[], T]) -> T | None:
        """The answer, however long the server is away; None for a refusal, or at the end."""
        while not self._stopped.is_set():
            try:
                return call()
            except (Unavailable, DeadlineExceeded):
                self._stopped.wait(RETRY_SECONDS)
            except NotFound:
                return None
            except RushesError:
                self._stopped.wait(RETRY_SECONDS)
        return None


def _item(client: Client) -> str | None:
    """A new image of the sharer, when it is made in time."""
    job = client.generate_image("a boat", model="builtin-image", size="256x256")
    done = client.wait(job.job_id, timeout=MAKE_SECONDS)
    return done.outputs[0].media_id if done.outputs else None


def _link(share: Share) -> Link:
    urls = [urlsplit(url) for url in (share.link_url, share.page_url)]
    targets = tuple(f"{url.path}?{url.query}" for url in urls)
    return Link(share.share_id, share.media_id, targets)


def _status(port: int, target: str) -> int:
    """0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LOOK_SECONDS)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
