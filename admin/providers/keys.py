"""Checks that the providers' secrets exist and are private. Calls nobody."""

import json

from admin.providers.asking import Trouble
from core.errors import SettingsInvalid
from core.process.secrets import KEYS, is_exposed, key_variable, provider_key, secret_files
from core.process.settings import Settings

ACCOUNT = "RUSHES_VERTEX_CREDENTIALS_FILE"
PAID = ("gemini", "vertex", "openai")


def configured(settings: Settings) -> list[str]:
    """The paid providers that the settings turn on."""
    return [name for name in PAID if name not in settings.missing]


def look_at_secret(settings: Settings, provider: str) -> None:
    """Checks the provider's secret.

    Raises:
        Trouble: when it can't be used, or when others may read it.
    """
    if provider in KEYS:
        try:
            provider_key(settings, provider)
        except SettingsInvalid as error:
            raise Trouble(error.message) from None
    elif settings.vertex_credentials_file is not None:
        _look_at_account(settings)
    variable = key_variable(settings, provider) if provider in KEYS else ACCOUNT
    path = secret_files(settings).get(variable)
    if path is not None and is_exposed(path):
        raise Trouble(f"others may read {path}: chmod 600 it")


def _look_at_account(settings: Settings) -> None:
    path = settings.vertex_credentials_file
    assert path is not None
    try:
        account = json.loads(path.read_bytes())
    except OSError as error:
        why = (error.strerror or "it failed").lower()
        raise Trouble(f"{ACCOUNT}: {path} can't be read: {why}") from None
    except ValueError:
        account = None
    if not isinstance(account, dict) or account.get("type") != "service_account":
        raise Trouble(f"{ACCOUNT}: {path} is not the key of a service account")
