"""API keys: only the hash of a secret is kept (`core.api_keys`).

`end_time` is when a key stops to work: when it expires, or when it was revoked before that.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.api_keys import (
    DAY_MS,
    LISTED_MS,
    SHOWN_CHARACTERS,
    ApiKey,
    KeyLimits,
    hash_of,
    new_secret,
)
from core.errors import NotFound, ResourceLimitReached, field_invalid
from core.ids import new_id
from core.scopes import Scope
from core.store.engine.database import Database, Row, Session
from core.store.engine.sql import Statement

_NAMES = """
    api_key_id, user_id, label, secret_prefix, scopes, create_time, expire_time, last_use_time,
    revoke_time
"""
# Makes the row that is locked next, for users who have none. Index: the primary key.
_KNOW = Statement("""
    INSERT INTO user_stream (user_id, revision, last_turn) VALUES (:user_id, 0, 0)
    ON CONFLICT (user_id) DO NOTHING
""")
_LOCK_USER = Statement("SELECT {now} FROM user_stream WHERE user_id = :user_id {for_update}")
# The user's keys that still work, up to a limit. Index: `api_key_working`.
_WORKING = Statement("""
    SELECT count(*) FROM (
        SELECT 1 FROM api_key WHERE user_id = :user_id AND end_time > {moment} LIMIT :most
    ) working
""")
_INSERT = Statement(f"""
    INSERT INTO api_key ({_NAMES}, secret_hash, end_time)
    VALUES (:api_key_id, :user_id, :label, :secret_prefix, :scopes, :create_time, :expire_time,
        NULL, NULL, :secret_hash, :expire_time)
""")
# Index: `api_key_secret`.
_FIND = Statement(f"SELECT {_NAMES} FROM api_key WHERE secret_hash = :secret_hash")
# Newest first, after a position. Index: `api_key_user`.
_LIST = Statement(f"""
    SELECT {_NAMES} FROM api_key
    WHERE user_id = :user_id AND end_time > {{moment}} - :listed_ms
        AND (create_time, api_key_id) < (:after_time, :after_id)
    ORDER BY create_time DESC, api_key_id DESC LIMIT :most
""")
# Index of these: the primary key.
_REVOKE = Statement("""
    UPDATE api_key SET revoke_time = {now},
        end_time = CASE WHEN end_time < {now} THEN end_time ELSE {now} END
    WHERE api_key_id = :api_key_id AND user_id = :user_id AND revoke_time IS NULL
""")
_GET = Statement(f"""
    SELECT {_NAMES} FROM api_key WHERE api_key_id = :api_key_id AND user_id = :user_id
""")
_USE = Statement("""
    UPDATE api_key SET last_use_time = :hour_ms
    WHERE api_key_id = :api_key_id AND coalesce(last_use_time, 0) < :hour_ms
""")
_REVOKED = Statement("""
    SELECT api_key_id FROM api_key
    WHERE api_key_id = ANY(:api_key_ids) AND revoke_time IS NOT NULL
""")
# Index: `api_key_end`, then the primary key.
_FORGET = Statement("""
    DELETE FROM api_key WHERE api_key_id IN (
        SELECT api_key_id FROM api_key WHERE end_time < {moment} - :listed_ms
        ORDER BY end_time LIMIT :part
    )
""")
_FIRST = (2**62, "~")


def create(db: Database, key: ApiKey, secret_hash: str, most: int) -> ApiKey:
    """Keeps a new key of a user who may have `most` that work; its `create_time` is now.

    Raises:
        ResourceLimitReached: when the user has as many.
    """

    def work(session: Session) -> ApiKey:
        session.later(_KNOW, user_id=key.user_id)
        # Who makes several keys at once makes them one after the other.
        locked = session.row(_LOCK_USER, user_id=key.user_id)
        working = session.row(_WORKING, user_id=key.user_id, most=most)
        assert locked is not None
        assert working is not None
        if working[0] >= most:
            raise ResourceLimitReached("API keys", most)
        made = replace(key, create_time=int(locked[0]))
        session.later(
            _INSERT,
            api_key_id=made.api_key_id,
            user_id=made.user_id,
            label=made.label,
            secret_prefix=made.secret_prefix,
            scopes=" ".join(made.scopes),
            create_time=made.create_time,
            expire_time=made.expire_time,
            secret_hash=secret_hash,
        )
        return made

    return db.write(work)


def issue(
    db: Database,
    user_id: str,
    label: str,
    scopes: tuple[Scope, ...],
    expire_time: int | None,
    limits: KeyLimits,
) -> tuple[ApiKey, str]:
    """Makes a key of a user, within the limits; the secret is kept nowhere.

    `expire_time` in milliseconds; None lets it last as long as usual.

    Raises:
        FieldInvalid: when it would end in the past, or too late.
        ResourceLimitReached: when the user has too many.
    """
    now, secret = db.now_ms(), new_secret()
    key = ApiKey(
        api_key_id=new_id(),
        user_id=user_id,
        label=label,
        secret_prefix=secret[:SHOWN_CHARACTERS],
        scopes=scopes,
        create_time=now,
        expire_time=_end(expire_time, now, limits),
    )
    return create(db, key, hash_of(secret), limits.most), secret


def _end(asked: int | None, now: int, limits: KeyLimits) -> int:
    if asked is None:
        return now + limits.usual_days * DAY_MS
    if asked <= now:
        raise field_invalid("expire_time", "must be in the future")
    if asked > now + limits.longest_days * DAY_MS:
        raise field_invalid("expire_time", f"must be at most {limits.longest_days} days away")
    return asked


def find(db: Database, secret_hash: str) -> ApiKey | None:
    """The key whose secret has the hash, also one that does not work any more."""
    row = db.row(_FIND, secret_hash=secret_hash)
    return _key_from_row(row) if row else None


def list_page(
    db: Database, user_id: str, *, after: tuple[int, str] | None = None, limit: int
) -> list[ApiKey]:
    """Keys, newest first, after the position (create_time, api_key_id).

    Those that do not work any more are among them for LISTED_MS.
    """
    after_time, after_id = after or _FIRST
    rows = db.rows(
        _LIST,
        user_id=user_id,
        listed_ms=LISTED_MS,
        after_time=after_time,
        after_id=after_id,
        most=limit,
    )
    return [_key_from_row(row) for row in rows]


def revoke(db: Database, user_id: str, api_key_id: str) -> ApiKey:
    """Revokes the key for good. One that was revoked before stays as it is.

    Raises:
        NotFound: when the user has no such key.
    """

    def work(session: Session) -> ApiKey:
        session.later(_REVOKE, api_key_id=api_key_id, user_id=user_id)
        row = session.row(_GET, api_key_id=api_key_id, user_id=user_id)
        if row is None:
            raise NotFound("API key")
        return _key_from_row(row)

    return db.write(work)


def mark_used(db: Database, api_key_id: str, hour_ms: int) -> None:
    """Notes that the key was used in the hour that began then."""
    db.write(lambda s: s.run(_USE, api_key_id=api_key_id, hour_ms=hour_ms), alone=True)


def revoked(db: Database, api_key_ids: Sequence[str]) -> list[str]:
    """Those of the keys that were revoked."""
    return [row[0] for row in db.rows(_REVOKED, api_key_ids=list(api_key_ids))]


def forget(session: Session, part: int) -> int:
    """Removes up to `part` keys that are not listed any more; tells how many."""
    return session.run(_FORGET, listed_ms=LISTED_MS, part=part)


def _key_from_row(row: Row) -> ApiKey:
    api_key_id, user_id, label, prefix, scopes, create, expire, last_use, revoke_time = row
    return ApiKey(
        api_key_id=api_key_id,
        user_id=user_id,
        label=label,
        secret_prefix=prefix,
        scopes=tuple(scopes.split()),
        create_time=create,
        expire_time=expire,
        last_use_time=last_use,
        revoke_time=revoke_time,
    )
