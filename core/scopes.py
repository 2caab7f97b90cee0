"""Scopes: what a token or an API key lets its holder do (see `account_service.proto`)."""

from enum import StrEnum


class Scope(StrEnum):
    """What a call may need. No scope includes another one."""

    JOBS_READ = "jobs.read"
    JOBS_WRITE = "jobs.write"
    MEDIA_READ = "media.read"
    MEDIA_WRITE = "media.write"
    MEDIA_DELETE = "media.delete"
    MEDIA_SHARE = "media.share"
    NOTIFICATIONS_READ = "notifications.read"
    ACCOUNT_READ = "account.read"
    ACCOUNT_WRITE = "account.write"
    KEYS_WRITE = "keys.write"
    NOTIFICATIONS_WRITE = "notifications.write"
    JOBS_REPORT = "jobs.report"
    ADMIN = "admin"


# These reach over other users, so that a token must name them.
OVER_OTHERS = frozenset({Scope.NOTIFICATIONS_WRITE, Scope.JOBS_REPORT, Scope.ADMIN})
# Those of a token that names none.
USUAL_SCOPES = frozenset(Scope) - OVER_OTHERS
