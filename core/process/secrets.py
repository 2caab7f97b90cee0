"""Keys of paid providers, from a file or from a variable.

The file wins where both are set: a variable may be left over from a shell, and every child process
inherits it. A key stays a `SecretStr` until the client sends it. Its repr and its str tell nothing,
and no error message holds it.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

import structlog
from pydantic import SecretStr

from core.errors import SettingsInvalid
from core.process.settings import Settings

log = structlog.get_logger()

MAX_KEY_BYTES = 4096
PREFIX = "RUSHES_"
# The setting with the key of each provider; `<setting>_file` names a file instead.
KEYS = {"gemini": "gemini_api_key", "openai": "openai_api_key"}
KEY_VARIABLES = {provider: f"{PREFIX}{name}".upper() for provider, name in KEYS.items()}
# Files of another form that only their owner should read.
FILES = {"vertex": "vertex_credentials_file"}


def provider_key(settings: Settings, provider: str) -> SecretStr:
    """The key of the provider, without the space around it.

    Raises:
        SettingsInvalid: naming the variable, when there is no key, or none that can be sent.
    """
    name, variable = KEYS[provider], key_variable(settings, provider)
    file: Path | None = getattr(settings, f"{name}_file")
    if file is not None:
        return _checked(variable, _read(variable, file))
    value: SecretStr | None = getattr(settings, name)
    if not value:
        raise SettingsInvalid(f"{variable}: set it, or {variable}_FILE")
    return _checked(variable, value.get_secret_value())


def key_variable(settings: Settings, provider: str) -> str:
    """The variable from which the provider's key comes or should come."""
    name = KEYS[provider]
    from_file = getattr(settings, f"{name}_file") is not None
    return f"{PREFIX}{name}{'_file' if from_file else ''}".upper()


def secret_files(settings: Settings) -> dict[str, Path]:
    """The files of provider secrets that the settings name, by their variable."""
    names = [f"{name}_file" for name in KEYS.values()] + list(FILES.values())
    paths = {name: getattr(settings, name) for name in names}
    return {f"{PREFIX}{name}".upper(): path for name, path in paths.items() if path is not None}


def is_exposed(path: Path) -> bool:
    """Whether every user of this machine may read the file.

    Raises:
        OSError: when the file can't be looked at.
    """
    return bool(path.stat().st_mode & stat.S_IROTH)


def warn_if_exposed(settings: Settings) -> None:
    """Logs each secret file that every user of this machine may read."""
    for variable, path in secret_files(settings).items():
        try:
            exposed = is_exposed(path)
        except OSError:
            continue  # the provider that needs it says so
        if exposed:
            log.warning("secret_file_readable_by_all", variable=variable, path=str(path))


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that calls no provider."""
    return {
        name: value for name, value in environment.items() if name not in KEY_VARIABLES.values()
    }


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        why = (error.strerror or "it failed").lower()
        raise SettingsInvalid(f"{variable}: {path} can't be read: {why}") from None
    # Bytes that are no text fail the check below.
    return content.decode("ascii", errors="replace")


def _checked(variable: str, text: str) -> SecretStr:
    key = text.strip()
    if not key:
        raise SettingsInvalid(f"{variable}: the key is empty")
    # An HTTP library would repeat a key that is no header value in its error message.
    if len(key) > MAX_KEY_BYTES or any(not "!" <= letter <= "~" for letter in key):
        raise SettingsInvalid(f"{variable}: that is no key: use one line of printable characters")
    return SecretStr(key)
