"""Signed addresses of local blobs: each lets its holder read one variant of one item for a while.

`{address}/media/{media_id}/{content|thumbnail}?expire_time={seconds}&signature={base64url}`

An address of an upload lets its holder send the bytes of one item:
`{address}/uploads/{media_id}?expire_time={seconds}&signature={base64url}`

An address of an export gives several items as a ZIP:
`{address}/exports/{export_id}?expire_time={seconds}&signature={base64url}`

The addresses of a link let whoever has one look at the item of one share, until that ends. They
have one signature, for the page and for the bytes:
`{address}/shares/{share_id}[/{content|thumbnail}]?expire_time={seconds}&signature={base64url}`
"""

import base64
import hashlib
import hmac
import re
from enum import StrEnum

from core.errors import CredentialsExpired, CredentialsInvalid

_SECONDS = re.compile(r"[1-9][0-9]{0,11}")


class Variant(StrEnum):
    """Which bytes of an item; the last part of its address."""

    CONTENT = "content"
    THUMBNAIL = "thumbnail"


# What an upload's address is signed for. It is no variant, so that it opens nothing to be read.
_UPLOAD = "upload"
# What the address of an export is signed for.
_EXPORT = "export"
# What the addresses of a link are signed for.
_SHARE = "share"


class AddressSigner:
    """Makes and checks addresses on `address` with a key derived from the installation's."""

    def __init__(self, address: str, signing_key: bytes) -> None:
        self._address = address.rstrip("/")
        key = hmac.digest(signing_key, b"rushes media address", hashlib.sha256)
        # Each signature goes on from a copy, which costs half of what it does to take the key in.
        self._begun = hmac.new(key, digestmod=hashlib.sha256)

    def url(self, media_id: str, variant: Variant, expire_time_s: int) -> str:
        """The address that opens the variant until `expire_time_s`, seconds of the epoch."""
        signature = self._signature(media_id, variant, str(expire_time_s))
        query = f"expire_time={expire_time_s}&signature={signature}"
        return f"{self._address}/media/{media_id}/{variant}?{query}"

    def upload_url(self, media_id: str, expire_time_s: int) -> str:
        """The address that takes the bytes of the item until `expire_time_s`."""
        signature = self._signature(media_id, _UPLOAD, str(expire_time_s))
        query = f"expire_time={expire_time_s}&signature={signature}"
        return f"{self._address}/uploads/{media_id}?{query}"

    def verify_upload(self, media_id: str, expire_time: str, signature: str, now_s: float) -> None:
        """Returns when this address may send the item's bytes.

        Raises:
            CredentialsInvalid, CredentialsExpired: as `verify`.
        """
        self._verify(media_id, _UPLOAD, expire_time, signature, now_s)

    def export_url(self, export_id: str, expire_time_s: int) -> str:
        """The address that gives the items of the export as a ZIP until `expire_time_s`."""
        signature = self._signature(export_id, _EXPORT, str(expire_time_s))
        query = f"expire_time={expire_time_s}&signature={signature}"
        return f"{self._address}/exports/{export_id}?{query}"

    def verify_export(self, export_id: str, expire_time: str, signature: str, now_s: float) -> None:
        """Returns when this address may give the items of the export.

        Raises:
            CredentialsInvalid, CredentialsExpired: as `verify`.
        """
        self._verify(export_id, _EXPORT, expire_time, signature, now_s)

    def share_url(self, share_id: str, expire_time_s: int, variant: Variant | None = None) -> str:
        """The address of a link until `expire_time_s`: of its page, or of a variant of its item."""
        path = f"{share_id}/{variant}" if variant else share_id
        return f"{self._address}/shares/{path}?{self.share_query(share_id, expire_time_s)}"

    def share_query(self, share_id: str, expire_time_s: int) -> str:
        """What opens all addresses of the link."""
        signature = self._signature(share_id, _SHARE, str(expire_time_s))
        return f"expire_time={expire_time_s}&signature={signature}"

    def verify_share(self, share_id: str, expire_time: str, signature: str, now_s: float) -> int:
        """The seconds of the epoch until which the addresses of the link are good.

        Raises:
            CredentialsInvalid, CredentialsExpired: as `verify`.
        """
        return self._verify(share_id, _SHARE, expire_time, signature, now_s)

    def verify(
        self,
        media_id: str,
        variant: Variant,
        expire_time: str,
        signature: str,
        now_s: float,
    ) -> int:
        """The seconds of the epoch until which this address is good.

        Raises:
            CredentialsInvalid: when anything in the address was changed.
            CredentialsExpired: when its time is over.
        """
        return self._verify(media_id, variant, expire_time, signature, now_s)

    def _verify(
        self, media_id: str, purpose: str, expire_time: str, signature: str, now_s: float
    ) -> int:
        expected = self._signature(media_id, purpose, expire_time)
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(expected.encode(), given):
            raise CredentialsInvalid("The signature of this address is not valid.")
        if not _SECONDS.fullmatch(expire_time) or int(expire_time) <= now_s:
            raise CredentialsExpired("This address has expired; ask for a new one.")
        return int(expire_time)

    def _signature(self, media_id: str, purpose: str, expire_time: str) -> str:
        # No part of an address that was made here holds a newline, so two different addresses never
        # have the same text.
        text = "\n".join((media_id, purpose, expire_time)).encode("utf-8", "surrogatepass")
        mac = self._begun.copy()
        mac.update(text)
        return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
