"""Calls of every method, by the descriptors: a method that is added is attacked without a word."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from core.ids import new_id
from core.scopes import Scope
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import notification_service_pb2 as notification_pb
from rushes.v1 import share_service_pb2 as share_pb
from rushes.v1 import view_service_pb2 as view_pb
from rushes.v1 import webhook_service_pb2 as webhook_pb
from server.services import SERVICES
from tests.house import House, read_refusal
from tests.rpc.requests import image, video

METHODS = {method.full_name: method for one in SERVICES for method in one.descriptor.methods}
# Methods and fields of the contract that this version refuses, whatever is in them.
PLANNED = ("EstimateCost.analysis.",)
# A caller who may all that there is, so that nothing but what it names can be the reason.
ALL_SCOPES = " ".join(Scope)
# What a request needs to come as far as its ids, where an empty one does not.
NEEDED: dict[str, Callable[[], Message]] = {
    "GenerateVideo": video,
    "GenerateImage": image,
    "UpdateMedia": lambda: pb.UpdateMediaRequest(title="mine now"),
    "CreateNotification": lambda: notification_pb.CreateNotificationRequest(
        user_id="bob", title="Hello", action={"label": "Open"}
    ),
    "GetView": lambda: view_pb.GetViewRequest(view="desk"),
    "ApplyView": lambda: view_pb.ApplyViewRequest(view="desk"),
    "ClearView": lambda: view_pb.ClearViewRequest(view="desk"),
    "CreateShare": lambda: share_pb.CreateShareRequest(user_id="somebody"),
    "CreateWebhook": lambda: webhook_pb.CreateWebhookRequest(
        url="http://localhost:9/", kinds=[webhook_pb.Webhook.JOB_CANCELLED]
    ),
    "UpdateWebhook": lambda: webhook_pb.UpdateWebhookRequest(webhook={"description": "mine now"}),
    "RedeliverWebhook": lambda: webhook_pb.RedeliverWebhookRequest(
        webhook_id=new_id(), delivery_id=new_id()
    ),
    "CreateAnnouncement": lambda: notification_pb.CreateAnnouncementRequest(title="Hello"),
}


def request_of(method: MethodDescriptor) -> Any:
    """A request that comes as far as its ids."""
    made = NEEDED.get(method.name)
    return made() if made else GetMessageClass(method.input_type)()


def outcome(house: House, user: str, method: MethodDescriptor, request: Any) -> Any:
    """What the call comes to: how it was refused, or what it answered."""
    send = sender(house, method)
    token = house.token(user, scope=ALL_SCOPES)
    metadata = (("authorization", f"Bearer {token}"),)
    return outcome_of(method, send, request, metadata)


def sender(house: House, method: MethodDescriptor) -> Any:
    """Sends the method a message, or bytes as they are."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    make = house.channel.unary_stream if method.server_streaming else house.channel.unary_unary
    answer = GetMessageClass(method.output_type)
    return make(path, _to_bytes, answer.FromString)


def outcome_of(method: MethodDescriptor, send: Any, request: Any, metadata: Any) -> Any:
    """The same with these headers."""
    try:
        answer = send(request, metadata=metadata, timeout=10)
        return next(answer) if method.server_streaming else answer
    except grpc.RpcError as error:
        return read_refusal(error)


def _to_bytes(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()
