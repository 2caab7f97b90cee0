"""Shares: an item of a user's library, shown to another user or to whoever has a link."""

from dataclasses import dataclass

from core.media import Media, MediaType
from core.recipes import Recipe

DAY_MS = 24 * 3600 * 1000
# For so long a share is listed after it has ended.
LISTED_MS = 30 * DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of one item; without `user_id` it is a link. Times in milliseconds of the database.

    It lasts until `expire_time`, or until `revoke_time` if that is set.
    """

    share_id: str
    media_id: str
    media_type: MediaType = MediaType.IMAGE
    owner_user_id: str
    user_id: str = ""
    message: str = ""
    with_recipe: bool = False
    create_time: int = 0
    expire_time: int
    revoke_time: int | None = None


@dataclass(frozen=True, slots=True)
class SharedItem:
    """A share and its item, as the owner has it. `lasts` is False once the share has expired.

    `recipe` is there when the share shows it and a job made the item.
    """

    share: Share
    media: Media
    lasts: bool = True
    recipe: Recipe | None = None
