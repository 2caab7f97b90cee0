"""What callers do with views: apply an item, clear a view.

A change takes one revision if it changes anything, and else none.
"""

from dataclasses import dataclass

from core.errors import NotFound, ResourceLimitReached
from core.events import Beside, UserChange
from core.media import MediaType
from core.store import views
from core.store.change import append_beside, lock_user
from core.store.engine.database import Database, Session, Undo
from core.store.engine.sql import Statement
from core.store.rows import media_from_row
from core.views import USUALLY_MOST, View

# The user's item, unless it is in the bin. Index: the primary key.
_ITEM = Statement("""
    SELECT {media_columns} FROM media
    WHERE media_id = :media_id AND user_id = :user_id AND delete_time IS NULL
""")


@dataclass(frozen=True, slots=True)
class Changed:
    """The view, the item that it showed before, and the change; None when nothing changed."""

    view: View
    previous_media_id: str
    change: UserChange | None = None


def apply(
    db: Database,
    user_id: str,
    view: str,
    media_id: str,
    *,
    looping: bool,
    max_views: int = USUALLY_MOST,
) -> Changed:
    """Makes the view show the item; only a video can loop.

    Raises:
        NotFound: naming the field, when the user has no such item outside the bin.
        ResourceLimitReached: when `max_views` show something already.
    """

    def work(session: Session) -> Changed:
        # Who deletes items locks their user too, so the item stays where it is.
        locked = lock_user(session, user_id)
        row = session.row(_ITEM, media_id=media_id, user_id=user_id)
        if row is None:
            raise NotFound("media item", "media_id")
        media = media_from_row(row)
        loops = looping and media.type is MediaType.VIDEO
        before = views.before(session, user_id, view)
        if (before.media_id, before.looping) == (media_id, loops):
            raise Undo(Changed(views.get(session, user_id, view), media_id))
        if before.is_full(max_views):
            text = f"{max_views} of your views show something; clear one first."
            raise ResourceLimitReached("view", max_views, text)
        after = View(view=view, media=media, looping=loops, apply_time=locked.now_ms)
        change = views.put(session, user_id, after, locked.revision, locked.now_ms)
        told = append_beside(session, locked, Beside(views=(change,)))
        return Changed(after, before.media_id, told)

    return db.write(work)


def clear(db: Database, user_id: str, view: str) -> Changed:
    """Makes the view show nothing."""

    def work(session: Session) -> Changed:
        locked = lock_user(session, user_id)
        before = views.before(session, user_id, view)
        if not before.media_id:
            raise Undo(Changed(views.get(session, user_id, view), ""))
        after = View(view=view)
        change = views.put(session, user_id, after, locked.revision, locked.now_ms)
        told = append_beside(session, locked, Beside(views=(change,)))
        return Changed(after, before.media_id, told)

    return db.write(work)
