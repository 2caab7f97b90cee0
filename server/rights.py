"""Rights: the scope that each method needs, in one table that a test compares with the descriptors.

What a part of a request needs beside that, its handler asks for with `require_scope`.
"""

from core.scopes import Scope

_OF_SERVICES: dict[str, dict[Scope, tuple[str, ...]]] = {
    "MediaService": {
        Scope.JOBS_WRITE: (
            "GenerateVideo",
            "GenerateImage",
            "BatchGenerate",
            "CancelJob",
            "RetryJob",
        ),
        Scope.JOBS_READ: (
            "EstimateCost",
            "ListModels",
            "ListPromptTemplates",
            "WatchJobs",
            "GetJob",
            "ListJobs",
            "ListJobEvents",
        ),
        Scope.MEDIA_READ: ("GetMedia", "GetRecipe", "ListMedia", "CreateExport"),
        Scope.MEDIA_WRITE: ("UpdateMedia", "UndeleteMedia", "CreateUpload"),
        Scope.MEDIA_DELETE: ("DeleteMedia", "BatchDeleteMedia"),
    },
    "NotificationService": {
        Scope.NOTIFICATIONS_READ: (
            "ListNotifications",
            "MarkNotificationsRead",
            "DeleteNotifications",
            "GetNotificationSettings",
            "UpdateNotificationSettings",
            "ListAnnouncements",
        ),
        Scope.NOTIFICATIONS_WRITE: ("CreateNotification",),
        Scope.ADMIN: ("CreateAnnouncement", "DeleteAnnouncement"),
    },
    "ViewService": {
        Scope.MEDIA_READ: ("ListViews", "GetView"),
        Scope.MEDIA_WRITE: ("ApplyView", "ClearView"),
    },
    "AccountService": {
        Scope.ACCOUNT_READ: ("GetUsage", "GetBudget", "ListApiKeys"),
        Scope.KEYS_WRITE: ("CreateApiKey", "RevokeApiKey"),
    },
    "ShareService": {
        Scope.MEDIA_SHARE: ("CreateShare", "RevokeShare"),
        Scope.MEDIA_READ: ("ListShares", "ListSharedMedia"),
    },
    "WebhookService": {
        Scope.ACCOUNT_WRITE: (
            "CreateWebhook",
            "UpdateWebhook",
            "DeleteWebhook",
            "RotateWebhookSecret",
            "TestWebhook",
            "RedeliverWebhook",
        ),
        Scope.ACCOUNT_READ: ("ListWebhooks", "ListWebhookDeliveries"),
    },
    "AnalysisService": {
        Scope.JOBS_WRITE: ("AnalyzeVideo",),
        Scope.JOBS_READ: ("GetAnalysis", "ExportTranscript"),
    },
    "AssistantService": {
        Scope.JOBS_READ: ("ListCapabilities", "SuggestGeneration"),
    },
    "ReporterService": {
        Scope.JOBS_REPORT: (
            "CreateReport",
            "ReportProgress",
            "CompleteReport",
            "FailReport",
            "CancelReport",
        ),
    },
    "AdminService": {
        Scope.ADMIN: (
            "WatchAllJobs",
            "ListUnsettledSubmits",
            "ResolveJob",
            "ListWorkers",
            "DrainWorker",
            "GetQueueStats",
            "PauseQueue",
            "ResumeQueue",
            "ListBudgets",
            "SetBudget",
        ),
    },
}
# By the path of the method: "/rushes.v1.MediaService/GetJob".
SCOPES = {
    f"/rushes.v1.{service}/{method}": scope
    for service, by_scope in _OF_SERVICES.items()
    for scope, methods in by_scope.items()
    for method in methods
}
