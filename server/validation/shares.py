"""Checks the requests of ShareService."""

from core.media import MediaType
from core.process.settings import Settings
from rushes.v1 import media_pb2
from rushes.v1 import share_service_pb2 as pb
from server.commands.shares import NewShare, SharedList, ShareList
from server.validation import fields as f
from server.validation.problems import Problems

MAX_MESSAGE_CHARACTERS = 500


class ShareValidator:
    """Checks requests against the limits of the contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, request: pb.CreateShareRequest) -> NewShare:
        """The share that is asked for."""
        problems = Problems()
        f.check_id(problems, "media_id", request.media_id)
        self._recipient(problems, request)
        expire_time = None
        if request.HasField("expire_time"):
            expire_time = f.read_time(problems, "expire_time", request.expire_time)
        problems.raise_wrong()
        return NewShare(
            media_id=request.media_id,
            user_id=request.user_id,
            expire_time=expire_time,
            message=request.message,
            with_recipe=request.with_recipe,
        )

    def list(self, request: pb.ListSharesRequest) -> ShareList:
        """Which shares to list."""
        problems = Problems()
        if request.media_id:
            f.check_id(problems, "media_id", request.media_id)
        wanted = ShareList(
            page_size=self._page_size(problems, request.page_size),
            page_token=f.check_token(problems, "page_token", request.page_token),
            media_id=request.media_id,
            ended=request.ended,
        )
        problems.raise_wrong()
        return wanted

    def list_shared(self, request: pb.ListSharedMediaRequest) -> SharedList:
        """Which items to list that others share."""
        problems = Problems()
        type = f.read_enum(problems, "type", media_pb2.Media.Type, request.type)
        wanted = SharedList(
            page_size=self._page_size(problems, request.page_size),
            page_token=f.check_token(problems, "page_token", request.page_token),
            type=MediaType(type) if type else None,
            url_ttl_seconds=f.read_url_ttl(problems, request),
        )
        problems.raise_wrong()
        return wanted

    def revoke(self, request: pb.RevokeShareRequest) -> str:
        """The share's id."""
        problems = Problems()
        share_id = f.check_id(problems, "share_id", request.share_id)
        problems.raise_wrong()
        return share_id

    def _recipient(self, problems: Problems, request: pb.CreateShareRequest) -> None:
        """Allows a user with a message, or a link with nothing that is for a user."""
        which = request.WhichOneof("recipient")
        f.check_text(problems, "message", request.message, MAX_MESSAGE_CHARACTERS, lines=True)
        if which == "user_id":
            f.check_user_id(problems, "user_id", request.user_id)
            if not request.user_id:
                problems.wrong("user_id", "must not be empty")
        elif which is None:
            problems.wrong("recipient", "user_id or link must be set")
        else:
            if not request.link:
                problems.wrong("link", "must be true")
            for field in ("message", "with_recipe"):
                if getattr(request, field):
                    problems.wrong(field, "is only for a share with a user")

    def _page_size(self, problems: Problems, size: int) -> int:
        return f.check_page_size(problems, "page_size", size, self._settings.max_page_size)
