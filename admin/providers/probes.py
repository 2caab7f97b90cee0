"""The question for each provider: it costs nothing, and needs the same key as a job."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from admin.providers.asking import Answer, Trouble, send
from admin.providers.keys import ACCOUNT, look_at_secret
from core.process.secrets import key_variable, provider_key
from core.process.settings import Settings

GEMINI = "https://generativelanguage.googleapis.com"
OPENAI = "https://api.openai.com/v1"
_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_MULTI_REGIONS = ("us", "eu")
# No operation has this name.
_NO_OPERATION = "00000000-0000-0000-0000-000000000000"
_MOST_PAGES = 20
_KEY_REASONS = {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "invalid_api_key"}
_OFF_REASONS = {"SERVICE_DISABLED", "API_KEY_SERVICE_BLOCKED"}
_NO_MODEL = re.compile("publisher model", re.IGNORECASE)

Probe = Callable[[Settings, Sequence[str]], str]


def probe_gemini(settings: Settings, models: Sequence[str]) -> str:
    """Asks for the list of models, page by page."""
    look_at_secret(settings, "gemini")
    base = (settings.gemini_base_url or GEMINI).rstrip("/")
    headers = {"x-goog-api-key": provider_key(settings, "gemini").get_secret_value()}
    listed: list[str] = []
    page = ""
    for _ in range(_MOST_PAGES):
        answer = send(f"{base}/v1/models?pageSize=1000{page}", headers=headers)
        found = _listed(settings, "gemini", answer, "models", "RUSHES_GEMINI_BASE_URL")
        listed += [str(entry.get("name", "")).rpartition("/")[2] for entry in found]
        token = answer.body.get("nextPageToken")
        if not isinstance(token, str) or not token:
            break
        page = f"&pageToken={token}"
    return _compared("gemini", listed, models)


def probe_openai(settings: Settings, models: Sequence[str]) -> str:
    """Asks for the list of models."""
    look_at_secret(settings, "openai")
    base = (settings.openai_base_url or OPENAI).rstrip("/")
    key = provider_key(settings, "openai").get_secret_value()
    answer = send(f"{base}/models", headers={"authorization": f"Bearer {key}"})
    found = _listed(settings, "openai", answer, "data", "RUSHES_OPENAI_BASE_URL")
    return _compared("openai", [str(entry.get("id", "")) for entry in found], models)


def probe_vertex(settings: Settings, models: Sequence[str]) -> str:
    """Asks for a token, and for each model about an operation that does not exist. This needs the
    same project, location and role as a job."""
    look_at_secret(settings, "vertex")
    headers = {"authorization": f"Bearer {_token(settings)}", "content-type": "application/json"}
    place = f"projects/{settings.vertex_project}/locations/{settings.vertex_location}"
    base = (settings.vertex_base_url or vertex_host(settings.vertex_location)).rstrip("/")
    for model in models:
        path = f"{place}/publishers/google/models/{model}"
        question = {"operationName": f"{path}/operations/{_NO_OPERATION}"}
        url = f"{base}/v1beta1/{path}:fetchPredictOperation"
        _judge_operation(settings, model, send(url, "POST", json.dumps(question).encode(), headers))
    return f"the credentials are accepted in {settings.vertex_project}"


PROBES: Mapping[str, Probe] = {
    "gemini": probe_gemini,
    "vertex": probe_vertex,
    "openai": probe_openai,
}


def vertex_host(location: str) -> str:
    """The address of Vertex AI in a location, as in `workers/providers/vertex`."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _listed(
    settings: Settings, provider: str, answer: Answer, field: str, base_variable: str
) -> list[dict[str, Any]]:
    variable = key_variable(settings, provider)
    if answer.reasons & _OFF_REASONS:
        raise Trouble(f"the key of {variable} is good, but its project has not enabled the API")
    if answer.status in (401, 403) or answer.reasons & _KEY_REASONS:
        raise Trouble(
            f"the key of {variable} was refused ({answer.status}): is it whole, and active?"
        )
    if answer.status == 404:
        raise Trouble(f"there is no list of models at this address: look at {base_variable}")
    _refuse_busy(answer)
    found = answer.body.get(field)
    if answer.status != 200 or not isinstance(found, list):
        raise Trouble(f"it answers ({answer.status}), but not like {provider}: see {base_variable}")
    return [entry for entry in found if isinstance(entry, dict)]


def _compared(provider: str, listed: Sequence[str], models: Sequence[str]) -> str:
    unknown = [name for name in models if name not in listed]
    if unknown:
        raise Trouble(
            f"the key is accepted, but {', '.join(unknown)} of the models file is not in the list"
            f" that {provider} has for it"
        )
    return f"the key is accepted; {len(models)} models are in its list"


def _judge_operation(settings: Settings, model: str, answer: Answer) -> None:
    """Judges the answer. The good one says that the operation does not exist."""
    project, reasons = settings.vertex_project, answer.reasons
    if "SERVICE_DISABLED" in reasons:
        raise Trouble(f"the Vertex AI API is not enabled in the project {project}")
    if "BILLING_DISABLED" in reasons:
        raise Trouble(f"the project {project} has no billing account")
    if answer.status == 401:
        raise Trouble("the token was refused (401): are the credentials of another cloud?")
    if answer.status == 403:
        raise Trouble(
            f"there is no project {project} (RUSHES_VERTEX_PROJECT), or the account has no role"
            " there: it needs Vertex AI User"
        )
    _refuse_busy(answer)
    if answer.status not in (200, 400, 404) or not answer.body:
        raise Trouble(
            f"it answers ({answer.status}), but not like Vertex AI: look at RUSHES_VERTEX_LOCATION"
            " and RUSHES_VERTEX_BASE_URL"
        )
    if answer.status == 404 and _NO_MODEL.search(str(answer.error.get("message", ""))):
        where = settings.vertex_location
        raise Trouble(f"{model} is not there for the project {project} in {where}")


def _refuse_busy(answer: Answer) -> None:
    if answer.status == 429:
        raise Trouble("the quota is used up, or calls come too fast (429): try again later")
    if answer.status >= 500:
        raise Trouble(f"the provider has trouble of its own ({answer.status}): try again later")


def _token(settings: Settings) -> str:
    """A new token for the credentials that the settings name."""
    from google.auth.exceptions import GoogleAuthError

    credentials = _credentials(settings)
    try:
        credentials.refresh(send)
    except (GoogleAuthError, ValueError):
        where = urlsplit(getattr(credentials, "token_uri", "") or "").hostname or "Google"
        raise Trouble(f"{where} gives no token for the credentials: are they active?") from None
    return str(credentials.token)


def _credentials(settings: Settings) -> Any:
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2 import service_account

    file = settings.vertex_credentials_file
    try:
        if file is None:
            return google.auth.default(scopes=_SCOPES)[0]
        return service_account.Credentials.from_service_account_file(str(file), scopes=_SCOPES)  # type: ignore[no-untyped-call]
    except (GoogleAuthError, ValueError, OSError):
        damaged = f"{ACCOUNT}: {file} is damaged"
        absent = f"there are no credentials: name the key of a service account with {ACCOUNT}"
        raise Trouble(damaged if file else absent) from None
