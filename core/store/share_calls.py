"""What callers do with shares: show an item to a user or by a link. `shares` ends them.

Shares are no part of what a watch brings. The notification of the user with whom an item is shared
is, and takes one revision of that user.
"""

from dataclasses import dataclass, replace

from core.errors import NotFound, ResourceLimitReached
from core.events import Beside, UserChange
from core.ids import new_id
from core.media import MediaType
from core.notifications import Kind, media_shared, settings_from_json
from core.shares import Share
from core.store import shares
from core.store.change import append_beside, hold, lock_user
from core.store.engine.database import Database, Session
from core.store.engine.sql import Statement
from core.store.notifications import Writer

# The type of the user's item, unless it is in the bin. Index of both: the primary key.
_ITEM = Statement("""
    SELECT type FROM media
    WHERE media_id = :media_id AND user_id = :user_id AND delete_time IS NULL
""")
_SETTINGS = Statement("SELECT notification_settings FROM user_stream WHERE user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Shared:
    """The share, and the change of the user with whom it is; None when that user is not told."""

    share: Share
    change: UserChange | None = None


def create(db: Database, wanted: Share, most: int) -> Shared:
    """Makes a share, or gives the one of the item with the same user its new end.

    Its owner may have `most` that last.

    Raises:
        NotFound: naming the field, when the owner has no such item outside the bin.
        ResourceLimitReached: when the owner has as many.
    """

    def work(session: Session) -> Shared:
        # In one order, so that two who share with each other never wait for each other.
        for user_id in sorted({wanted.owner_user_id, wanted.user_id} - {""}):
            hold(session, user_id)
        # Who deletes items holds their owner too, so the item stays where it is.
        item = session.row(_ITEM, media_id=wanted.media_id, user_id=wanted.owner_user_id)
        if item is None:
            raise NotFound("media item", "media_id")
        if wanted.user_id and (renewed := shares.renew(session, wanted)):
            return Shared(renewed)
        if shares.count_lasting(session, wanted.owner_user_id, most) >= most:
            text = f"{most} of your shares last; revoke one first."
            raise ResourceLimitReached("share", most, text)
        made = replace(wanted, media_type=MediaType(item[0]), create_time=session.now_ms())
        shares.insert(session, made)
        return Shared(made, _tell(session, made) if made.user_id else None)

    return db.write(work)


def _tell(session: Session, share: Share) -> UserChange | None:
    """Makes the notification of the user with whom the item is shared, who is held."""
    row = session.row(_SETTINGS, user_id=share.user_id)
    if row is None or not settings_from_json(row[0]).makes(Kind.MEDIA_SHARED):
        return None
    locked = lock_user(session, share.user_id)
    writer = Writer(session, share.user_id, locked.inbox, locked.revision)
    writer.put(
        media_shared(
            share.share_id,
            share.media_type,
            share.message,
            share.owner_user_id,
            new_id(),
            locked.now_ms,
        )
    )
    return append_beside(session, locked, Beside(notifications=writer.done()))
