"""Exports: several items of a library as one ZIP, which the HTTP process makes."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.blobs import AddressSigner
from core.process.settings import Settings
from core.process.telemetry import get_logger
from core.store import Database, exports

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExport:
    """Items to export, and the lifetime of the address; None is as long as usual."""

    media_ids: Sequence[str]
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Where the ZIP is, until when (milliseconds), and the bytes of its items together."""

    url: str
    expire_time: int
    size_bytes: int


class CreateExport:
    """Answers CreateExport."""

    def __init__(self, db: Database, signer: AddressSigner, settings: Settings) -> None:
        self._db = db
        self._signer = signer
        self._most = settings.max_exports
        self._usual_seconds = settings.signed_url_ttl_seconds

    def create(self, user_id: str, asked: NewExport) -> Exported:
        """The address of a new export.

        Raises:
            NotFound: naming the field, when the user lacks one of the items, or it is in the bin.
        """
        seconds = self._usual_seconds if asked.ttl_seconds is None else asked.ttl_seconds
        expire_time_s = self._db.now_ms() // 1000 + seconds
        expire_time = expire_time_s * 1000
        export, size = exports.create(self._db, user_id, asked.media_ids, expire_time, self._most)
        count = len(export.media_ids)
        log.info("export_created", user_id=user_id, export_id=export.export_id, count=count)
        return Exported(
            url=self._signer.export_url(export.export_id, expire_time_s),
            expire_time=expire_time,
            size_bytes=size,
        )
