"""The library: finds, changes, bins and erases media items."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace

from core.blobs import Blobs
from core.errors import DependencyUnavailable, NotFound, field_invalid
from core.media import Media
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.recipes import Recipe
from core.store import Database, media_lists, recipes, views
from core.store import media as media_store
from core.store.media import Deleted
from core.telling.changes import Changes
from core.tokens import Tokens
from server.commands.pages import cut, media_bytes
from server.commands.requests import MediaChange, MediaList

log = get_logger(__name__)
DAY_MS = 24 * 3600 * 1000


class Library:
    """One user's media items at a time."""

    def __init__(
        self,
        db: Database,
        blobs: Blobs,
        tokens: Tokens,
        changes: Changes,
        settings: Settings,
    ) -> None:
        self._db = db
        self._blobs = blobs
        self._tokens = tokens
        self._changes = changes
        self._settings = settings

    def item(self, user_id: str, media_id: str) -> Media:
        """The item, also from the bin.

        Raises:
            NotFound: when the user has no such item.
        """
        return media_store.get(self._db, user_id, media_id)

    def recipe(self, user_id: str, media_id: str) -> Recipe:
        """How the item was made, also one in the bin.

        Raises:
            NotFound: when the user has no such item, or no job made it.
        """
        found = recipes.of_items(self._db, [self.item(user_id, media_id)])
        if media_id not in found:
            raise NotFound("recipe")
        return found[media_id]

    def items(self, user_id: str, wanted: MediaList) -> tuple[list[Media], str]:
        """A page of items, newest first, and the token of the next.

        Raises:
            PageTokenInvalid: when the token is not one of this list.
        """
        listing, now = _listing(wanted), int(time.time() * 1000)
        token = wanted.page_token
        after = self._tokens.read_page(user_id, listing, token, now) if token else None
        found = media_lists.list_page(
            self._db,
            user_id,
            type=wanted.type,
            labels=wanted.labels,
            query=wanted.query,
            starred=wanted.starred,
            create_time_from=wanted.create_time_from,
            create_time_until=wanted.create_time_until,
            deleted=wanted.deleted,
            after=(after[0], after[1]) if after else None,
            limit=wanted.page_size + 1,
        )
        items = cut(found, wanted.page_size, media_bytes)
        if len(found) == len(items):
            return items, ""
        position = [items[-1].create_time, items[-1].media_id]
        return items, self._tokens.page(user_id, listing, position, now)

    def change(self, user_id: str, change: MediaChange) -> Media:
        """Changes title, star and labels.

        Raises:
            NotFound: when the user has no such item.
            FieldInvalid: when it would have too many labels.
        """
        self._refuse_many_labels(user_id, change)
        return media_store.update(
            self._db,
            user_id,
            change.media_id,
            title=change.title,
            starred=change.starred,
            labels=change.labels,
        )

    def delete(self, user_id: str, media_ids: Sequence[str], *, permanent: bool) -> Deleted:
        """Puts the items into the bin, or erases them and gives none back; all or none.

        The views that show them are cleared.

        Raises:
            NotFound: when the user lacks one of them.
        """
        if not permanent:
            keep_ms = self._settings.bin_days * DAY_MS
            return self._changes.make_own(
                lambda db: media_store.bin(db, user_id, media_ids, keep_ms)
            )
        gone = self._changes.make_own(lambda db: media_store.erase(db, user_id, media_ids))
        try:
            self._blobs.delete(_keys(gone.items))
        except DependencyUnavailable:
            # The rows are gone, so nobody can reach the bytes; the purge erases them later.
            log.warning("blobs_not_erased", user_id=user_id, count=len(gone.items))
        return replace(gone, items=[])

    def undelete(self, user_id: str, media_id: str) -> tuple[Media, list[str]]:
        """Takes the item out of the bin, and names the views that its deletion cleared.

        Raises:
            NotFound: when the user has no such item.
        """
        media = media_store.unbin(self._db, user_id, media_id)
        return media, views.former(self._db, user_id, media_id)

    def _refuse_many_labels(self, user_id: str, change: MediaChange) -> None:
        if not change.labels:
            return
        labels = self.item(user_id, change.media_id).labels | dict(change.labels)
        count, most = sum(bool(value) for value in labels.values()), self._settings.max_labels
        if count > most:
            text = f"the item would have {count} labels; at most {most} are allowed"
            raise field_invalid("labels", text)


def _listing(wanted: MediaList) -> str:
    """The filters of a list: a page token works only with the filters that it was made for."""
    filters = [
        wanted.type,
        sorted(wanted.labels.items()),
        wanted.query,
        wanted.starred,
        wanted.create_time_from,
        wanted.create_time_until,
        wanted.deleted,
    ]
    return "media:" + json.dumps(filters)


def _keys(items: Sequence[Media]) -> list[str]:
    return [key for media in items for key in (media.blob_key, media.thumbnail_key) if key]
