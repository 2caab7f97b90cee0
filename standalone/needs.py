"""Tries once, before any process starts, what the processes need. A problem is one sentence."""

import contextlib
from collections.abc import Iterator

import redis

from core.blobs import open_blobs
from core.catalog.models import read_catalog
from core.catalog.prompts import read_prompts
from core.errors import DependencyUnavailable, RushesError
from core.process.keys import read_or_make_key
from core.process.secrets import KEYS, key_variable, provider_key
from core.process.settings import Settings
from core.store import open_database
from core.telling.stream import connect
from standalone.preflight import CannotStart


def check_needs(settings: Settings) -> None:
    """Reads catalog, prompt templates and keys, opens the database and tries the blob store.

    Raises:
        CannotStart: naming the variable that is wrong.
    """
    with _blamed_on("RUSHES_MODELS_FILE"):
        read_catalog(settings.models_file)
    with _blamed_on("RUSHES_PROMPTS_FILE"):
        read_prompts(settings.prompts_file)
    if not settings.jwt_jwks_url:
        with _blamed_on("RUSHES_JWT_KEY_FILE"):
            read_or_make_key(settings.jwt_key_path)
    for provider in KEYS.keys() - settings.missing.keys():
        with _blamed_on(key_variable(settings, provider)):
            provider_key(settings, provider)
    with _blamed_on("RUSHES_SIGNING_KEY_FILE"):
        signing_key = read_or_make_key(settings.signing_key_path)
    with _blamed_on("RUSHES_DATABASE_URL"):
        open_database(settings).close()
    with _blamed_on("RUSHES_BLOB_URL"):
        open_blobs(settings, signing_key).check()


def redis_answers(settings: Settings) -> bool:
    """Whether the Redis of the settings answers now. Without it everything works, only slower.

    Raises:
        CannotStart: when its address makes no sense, or it is a cluster that can't be reached.
    """
    with _blamed_on("RUSHES_REDIS_URL"):
        client = connect(settings)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


@contextlib.contextmanager
def _blamed_on(variable: str) -> Iterator[None]:
    """Turns an error into a sentence that names the variable."""
    try:
        yield
    except DependencyUnavailable as error:
        what = error.metadata["dependency"]
        raise CannotStart(f"{variable}: the {what} can't be reached, or refuses.") from None
    except RushesError as error:
        named = "RUSHES_" in error.message
        raise CannotStart(error.message if named else f"{variable}: {error.message}") from None
