"""Views: what each place in a user's app shows.

A view that nobody has used has no row and shows nothing. `wish` is the revision of the wish that
the row follows: that of an ApplyView or ClearView, or the one at which its job was accepted. The
newest wish wins. Invariant: no view shows an item that is in the bin or gone.
`view_calls` has what callers do with views.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.jobs import Job, State
from core.media import Media, MediaType
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement, columns, name_part, name_part_by_dialect
from core.store.rows import MEDIA_NAMES, media_from_row
from core.views import View, ViewChange, ViewChangeType

# All of a view that shows something that can change, first its name: see `_VERSIONS`.
Version = Row
_VERSION = ("view", "wish", "apply_time", "media_id", "title", "starred", "labels")
_NAMES = ("view", "looping", "job_id", "apply_time", "deleted_media_id")
name_part("view_columns", columns(_NAMES, "view"))
# The order of names, the same on both databases whatever their languages are.
name_part_by_dialect("by_bytes", sqlite="COLLATE BINARY", postgres='COLLATE "C"')
# Views that show something, by name. Indexes: `view_shown`, the primary key of the items.
_SHOWING = Statement("""
    SELECT {view_columns}, {media_columns}
    FROM view JOIN media ON media.media_id = view.media_id
    WHERE view.user_id = :user_id AND view.media_id <> '' ORDER BY view.view {by_bytes}
""")
# A page of them. At most all that show something are looked at. Indexes of both: as above.
_FROM_PAGE = """
    FROM view JOIN media ON media.media_id = view.media_id
    WHERE view.user_id = :user_id AND view.media_id <> '' AND view.view {by_bytes} > :after
        AND (:prefix = '' OR substr(view.view, 1, CAST(:prefix_length AS INTEGER)) = :prefix)
    ORDER BY view.view {by_bytes} LIMIT :limit
"""
_PAGE = Statement(f"SELECT {{view_columns}}, {{media_columns}}, view.wish {_FROM_PAGE}")
# What tells which version of a view it is. Its row changes by a wish, and of an item that is not in
# the bin these columns change alone: see `core.store.media`.
_VERSIONS = Statement(f"""
    SELECT view.view, view.wish, view.apply_time,
        media.media_id, media.title, media.starred, media.labels {_FROM_PAGE}
""")
# Indexes: both primary keys.
_GET = Statement("""
    SELECT {view_columns}, {media_columns}
    FROM view LEFT JOIN media ON media.media_id = view.media_id AND view.media_id <> ''
    WHERE view.user_id = :user_id AND view.view = :view
""")
# What a view shows, if it has a row, and how many of the user's show something.
# Indexes: the primary key, `view_media`.
_BEFORE = Statement("""
    SELECT view.media_id, view.looping, view.wish,
        (SELECT count(*) FROM view v WHERE v.user_id = :user_id AND v.media_id <> '')
    FROM (SELECT 1) one LEFT JOIN view ON view.user_id = :user_id AND view.view = :view
""")
# Index: the primary key.
_PUT = Statement("""
    INSERT INTO view (
        user_id, view, media_id, looping, job_id, apply_time, deleted_media_id, wish
    ) VALUES (:user_id, :view, :media_id, :looping, :job_id, :now_ms, '', :wish)
    ON CONFLICT (user_id, view) DO UPDATE SET media_id = excluded.media_id,
        looping = excluded.looping, job_id = excluded.job_id, apply_time = excluded.apply_time,
        deleted_media_id = '', wish = excluded.wish
""")
# The views that show one of the items. Index of both: `view_media`.
_SHOWING_ITEMS = Statement("""
    SELECT view, media_id FROM view
    WHERE user_id = :user_id AND media_id = ANY(:media_ids) AND media_id <> ''
    ORDER BY view {by_bytes}
""")
_CLEAR_ITEMS = Statement("""
    UPDATE view SET deleted_media_id = media_id, media_id = '', looping = FALSE, job_id = '',
        apply_time = :now_ms
    WHERE user_id = :user_id AND media_id = ANY(:media_ids) AND media_id <> ''
""")
# Views that show nothing since the item was deleted. Index: `view_deleted`.
_FORMER = Statement("""
    SELECT view FROM view
    WHERE user_id = :user_id AND deleted_media_id = :media_id AND deleted_media_id <> ''
    ORDER BY view {by_bytes}
""")
# Views that show nothing, those first that were cleared first. Two kinds stay: those that an
# undeletion names, and those whose wish is newer than that of a job that may yet succeed. A view
# that is applied meanwhile stays because of the conditions outside. Indexes: `view_cleared`, the
# primary keys, `job_view`.
_FORGET = Statement("""
    DELETE FROM view
    WHERE media_id = '' AND apply_time < {moment} - :keep_ms AND (user_id, view) IN (
        SELECT user_id, view FROM view cleared
        WHERE media_id = '' AND apply_time < {moment} - :keep_ms
            AND NOT EXISTS (SELECT 1 FROM media WHERE media.media_id = cleared.deleted_media_id)
            AND NOT EXISTS (
                SELECT 1 FROM job
                WHERE job.user_id = cleared.user_id AND job.apply_to_view = cleared.view
                    AND job.apply_to_view <> ''
                    AND job.state IN ('QUEUED', 'RUNNING', 'RECONCILING')
            )
        ORDER BY apply_time LIMIT :part
    )
""")


@dataclass(frozen=True, slots=True)
class Before:
    """What a view shows before a change: nothing without `media_id`.

    `showing` is how many views of the user show something.
    """

    media_id: str
    looping: bool
    wish: int
    showing: int

    def is_full(self, max_views: int) -> bool:
        """Whether one more view would show something, and `max_views` do already."""
        return not self.media_id and self.showing >= max_views


def showing(session: Session, user_id: str) -> list[View]:
    """The user's views that show something, by name."""
    return [view_from_row(row) for row in session.rows(_SHOWING, user_id=user_id)]


def page(db: Database, user_id: str, *, prefix: str, after: str, limit: int) -> dict[Version, View]:
    """Views that show something and whose names begin so, by name, from the one `after`."""
    rows = db.rows(_PAGE, **_values(user_id, prefix, after, limit))
    return {_version(row): view_from_row(row[:-1]) for row in rows}


def versions(db: Database, user_id: str, *, prefix: str, after: str, limit: int) -> list[Version]:
    """Of which versions the views of such a page are, at a third of the price of the page."""
    return db.rows(_VERSIONS, **_values(user_id, prefix, after, limit))


def _values(user_id: str, prefix: str, after: str, limit: int) -> dict[str, Any]:
    page = {"prefix": prefix, "prefix_length": len(prefix), "after": after, "limit": limit}
    return {"user_id": user_id, **page}


def _version(row: Row) -> Version:
    """Of a row of `_PAGE`."""
    shown = dict(zip((*_NAMES, *MEDIA_NAMES, "wish"), row, strict=True))
    return tuple(shown[name] for name in _VERSION)


def get(db: Database | Session, user_id: str, view: str) -> View:
    """What the view shows, also if nobody has used it."""
    row = db.row(_GET, user_id=user_id, view=view)
    return view_from_row(row) if row else View(view=view)


def before(session: Session, user_id: str, view: str) -> Before:
    """What the view shows. The user is locked, so that it stays so."""
    row = session.row(_BEFORE, user_id=user_id, view=view)
    assert row is not None
    return Before(row[0] or "", bool(row[1]), int(row[2] or 0), int(row[3]))


def put(session: Session, user_id: str, view: View, wish: int, now_ms: int) -> ViewChange:
    """Writes what the view shows from now on. The user is locked."""
    session.later(
        _PUT,
        user_id=user_id,
        view=view.view,
        media_id=view.media.media_id if view.media else "",
        looping=view.looping,
        job_id=view.job_id,
        now_ms=now_ms,
        wish=wish,
    )
    type = ViewChangeType.APPLIED if view.media else ViewChangeType.CLEARED
    return ViewChange(type=type, view=view)


def applied_by(
    session: Session, job: Job, wish: int, now_ms: int, max_views: int
) -> tuple[ViewChange, ...]:
    """Applies the first output of a job that has just succeeded to the view that it names.

    Nothing changes if a newer wish has changed the view, if the output was deleted already, or if
    `max_views` show something already. The user is locked.
    """
    if job.state is not State.SUCCEEDED or not job.apply_to_view:
        return ()
    first = _first_output(job)
    if first is None:
        return ()
    found = before(session, job.user_id, job.apply_to_view)
    if found.wish > wish or found.is_full(max_views):
        return ()
    view = View(
        view=job.apply_to_view,
        media=first,
        looping=first.type is MediaType.VIDEO,
        job_id=job.job_id,
        apply_time=now_ms,
    )
    return (put(session, job.user_id, view, wish, now_ms),)


def _first_output(job: Job) -> Media | None:
    """The first output, unless it was deleted before the others were there."""
    first = job.outputs[0] if job.outputs else None
    if first is None or first.output_index or first.delete_time is not None:
        return None
    return first


def showing_items(session: Session, user_id: str, media_ids: Sequence[str]) -> dict[str, str]:
    """The items by the names of the views that show them, by name."""
    rows = session.rows(_SHOWING_ITEMS, user_id=user_id, media_ids=list(media_ids))
    return {row[0]: row[1] for row in rows}


def clear_items(
    session: Session, user_id: str, shown: dict[str, str], now_ms: int
) -> tuple[ViewChange, ...]:
    """Clears the views of `showing_items`, whose items are deleted. The user is locked."""
    media_ids = sorted(set(shown.values()))
    session.later(_CLEAR_ITEMS, user_id=user_id, media_ids=media_ids, now_ms=now_ms)
    return tuple(
        ViewChange(type=ViewChangeType.CLEARED, view=View(view=name, deleted_media_id=media_id))
        for name, media_id in shown.items()
    )


def former(db: Database, user_id: str, media_id: str) -> list[str]:
    """The names of the views that show nothing since the item was deleted."""
    return [row[0] for row in db.rows(_FORMER, user_id=user_id, media_id=media_id)]


def forget(session: Session, keep_ms: int, part: int) -> int:
    """Removes up to `part` rows of views that were cleared longer than `keep_ms` ago; how many.

    No change is lost by it: a view without a row shows nothing, as it did before.
    """
    return session.run(_FORGET, keep_ms=keep_ms, part=part)


def view_from_row(row: Row) -> View:
    """The view of a row with `{view_columns}` and the columns of its item, which may be NULL."""
    view, looping, job_id, apply_time, deleted_media_id = row[: len(_NAMES)]
    item = row[len(_NAMES) :]
    if not item[MEDIA_NAMES.index("media_id")]:
        return View(view=view, deleted_media_id=deleted_media_id)
    media = media_from_row(item)
    return View(view=view, media=media, looping=bool(looping), job_id=job_id, apply_time=apply_time)
