"""Views: what each place in a user's app shows.

A view that nobody has used has no row and shows nothing. `wish` is the revision of the wish that
the row follows: that of an ApplyView or ClearView, or the one at which its job was accepted. The
newest wish wins.
"""

from core.store.engine.database import Row, Session
from core.store.engine.sql import Statement
from core.store.rows import MEDIA_NAMES, media_from_row
from core.views import View

_NAMES = ("view", "looping", "job_id", "apply_time", "deleted_media_id")
# Views that show something, by name. Indexes: `view_shown`, the primary key of the items.
_SHOWING = Statement("""
    SELECT view.view, view.looping, view.job_id, view.apply_time, view.deleted_media_id,
        {media_columns}
    FROM view JOIN media ON media.media_id = view.media_id
    WHERE view.user_id = :user_id AND view.media_id <> '' ORDER BY view.view
""")


def showing(session: Session, user_id: str) -> list[View]:
    """The user's views that show something, by name."""
    return [view_from_row(row) for row in session.rows(_SHOWING, user_id=user_id)]


def view_from_row(row: Row) -> View:
    """The view of a row with its own columns and those of its media item, which may be NULL."""
    own = dict(zip(_NAMES, row, strict=False))
    columns = row[len(_NAMES) :]
    media = media_from_row(columns) if columns[MEDIA_NAMES.index("media_id")] else None
    return View(**{**own, "looping": bool(own["looping"])}, media=media)
