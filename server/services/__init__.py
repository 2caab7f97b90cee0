"""The gRPC services of this server: one list, and one file for each service.

The app, reflection, health, the labels of the metrics, the answers to unknown methods and the tests
derive from SERVICES. A new service takes its proto, one file in this folder and one entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from rushes.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    admin_service_pb2,
    admin_service_pb2_grpc,
    analysis_service_pb2,
    assistant_service_pb2,
    media_service_pb2,
    media_service_pb2_grpc,
    notification_service_pb2,
    notification_service_pb2_grpc,
    reporter_service_pb2,
    share_service_pb2,
    share_service_pb2_grpc,
    view_service_pb2,
    view_service_pb2_grpc,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)
from server.parts import Parts
from server.services.account import build_account_service
from server.services.admin import build_admin_service
from server.services.media import build_media_service
from server.services.notifications import build_notification_service
from server.services.shares import build_share_service
from server.services.views import build_view_service
from server.services.webhooks import build_webhook_service


@dataclass(frozen=True, slots=True)
class Service:
    """A service: its descriptor, what makes its servicer, and what adds that to a gRPC server."""

    descriptor: ServiceDescriptor
    build: Callable[[Parts], object]
    add: Callable[[Any, Any], None]

    @property
    def name(self) -> str:
        """The name on the wire, for instance `rushes.v1.MediaService`."""
        return str(self.descriptor.full_name)


SERVICES = (
    Service(
        media_service_pb2.DESCRIPTOR.services_by_name["MediaService"],
        build_media_service,
        media_service_pb2_grpc.add_MediaServiceServicer_to_server,
    ),
    Service(
        notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"],
        build_notification_service,
        notification_service_pb2_grpc.add_NotificationServiceServicer_to_server,
    ),
    Service(
        account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
        build_account_service,
        account_service_pb2_grpc.add_AccountServiceServicer_to_server,
    ),
    Service(
        view_service_pb2.DESCRIPTOR.services_by_name["ViewService"],
        build_view_service,
        view_service_pb2_grpc.add_ViewServiceServicer_to_server,
    ),
    Service(
        share_service_pb2.DESCRIPTOR.services_by_name["ShareService"],
        build_share_service,
        share_service_pb2_grpc.add_ShareServiceServicer_to_server,
    ),
    Service(
        admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
        build_admin_service,
        admin_service_pb2_grpc.add_AdminServiceServicer_to_server,
    ),
    Service(
        webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"],
        build_webhook_service,
        webhook_service_pb2_grpc.add_WebhookServiceServicer_to_server,
    ),
)
# Of the contract, but not built yet: each method answers METHOD_UNIMPLEMENTED.
PLANNED: tuple[ServiceDescriptor, ...] = (
    analysis_service_pb2.DESCRIPTOR.services_by_name["AnalysisService"],
    assistant_service_pb2.DESCRIPTOR.services_by_name["AssistantService"],
    reporter_service_pb2.DESCRIPTOR.services_by_name["ReporterService"],
)
