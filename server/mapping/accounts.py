"""Messages of AccountService from domain values."""

from core.api_keys import ApiKey
from rushes.v1 import account_service_pb2 as pb
from server.mapping.values import timestamp


def key_to_proto(key: ApiKey) -> pb.ApiKey:
    """The key as its user sees it."""
    return pb.ApiKey(
        api_key_id=key.api_key_id,
        label=key.label,
        secret_prefix=key.secret_prefix,
        scopes=key.scopes,
        create_time=timestamp(key.create_time),
        expire_time=timestamp(key.expire_time),
        last_use_time=timestamp(key.last_use_time),
        revoke_time=timestamp(key.revoke_time),
    )
