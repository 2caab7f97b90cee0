"""Keys of providers: where they come from, what is refused, and that nobody repeats them."""

from pathlib import Path

import pytest
import structlog.testing

from core.errors import SettingsInvalid
from core.process.secrets import (
    KEYS,
    MAX_KEY_BYTES,
    provider_key,
    secret_files,
    warn_if_exposed,
    without_keys,
)
from core.process.settings import Settings, read_settings

CANARY = "canary-4f9a1c"


def key_of(**values: object) -> str:
    return provider_key(read_settings(**values), "gemini").get_secret_value()


def complaint(**values: object) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        key_of(**values)
    return caught.value.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gemini.key"
    path.write_text(f"  {CANARY}\n\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("provider", KEYS)
def test_a_key_comes_from_its_variable_or_its_file(
    provider: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"RUSHES_{KEYS[provider]}".upper()
    monkeypatch.setenv(variable, f" {CANARY}-2 ")
    assert provider_key(read_settings(), provider).get_secret_value() == f"{CANARY}-2"

    # The file wins.
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    assert provider_key(read_settings(), provider).get_secret_value() == CANARY


def test_without_either_both_are_named() -> None:
    assert complaint() == "RUSHES_GEMINI_API_KEY: set it, or RUSHES_GEMINI_API_KEY_FILE"
    assert complaint(gemini_api_key="").startswith("RUSHES_GEMINI_API_KEY: set it")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        f"{CANARY}\n{CANARY}".encode(),
        f"{CANARY}\x00".encode(),
        f"{CANARY} x".encode(),
        f"{CANARY}é".encode(),
        b"\xff\xfe" * 20,
        CANARY.encode() * MAX_KEY_BYTES,
    ],
)
def test_what_is_no_key_is_refused_by_its_variable_and_not_repeated(
    file: Path, content: bytes
) -> None:
    file.write_bytes(content)

    said = complaint(gemini_api_key_file=file)

    assert said.startswith("RUSHES_GEMINI_API_KEY_FILE: ")
    assert CANARY not in said


@pytest.mark.parametrize("value", [" ", f"{CANARY}\n{CANARY}"])
def test_the_same_holds_for_the_variable(value: str) -> None:
    said = complaint(gemini_api_key=value)
    assert said.startswith("RUSHES_GEMINI_API_KEY: ")
    assert CANARY not in said


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    said = complaint(gemini_api_key_file=absent, gemini_api_key=CANARY)
    assert said == f"RUSHES_GEMINI_API_KEY_FILE: {absent} can't be read: no such file or directory"
    assert "is a directory" in complaint(gemini_api_key_file=tmp_path)


def test_settings_never_show_a_key() -> None:
    settings = read_settings(gemini_api_key=CANARY, openai_api_key=CANARY)
    for shown in (repr(settings), str(settings), f"{settings.model_dump()}"):
        assert CANARY not in shown
    assert CANARY not in settings.model_dump_json()
    assert CANARY not in repr(provider_key(settings, "gemini"))


def test_a_file_that_everybody_may_read_is_warned_of(file: Path) -> None:
    def warnings(settings: Settings) -> list[tuple[str, str]]:
        with structlog.testing.capture_logs() as lines:
            warn_if_exposed(settings)
        return [(line["event"], line["variable"]) for line in lines]

    settings = read_settings(vertex_credentials_file=file, openai_api_key_file=file.parent / "x")
    assert warnings(settings) == []
    file.chmod(0o644)
    assert warnings(settings) == [("secret_file_readable_by_all", "RUSHES_VERTEX_CREDENTIALS_FILE")]
    assert set(secret_files(settings)) == {
        "RUSHES_VERTEX_CREDENTIALS_FILE",
        "RUSHES_OPENAI_API_KEY_FILE",
    }


def test_a_program_that_calls_no_provider_gets_no_key() -> None:
    given = {"PATH": "/bin", "RUSHES_GEMINI_API_KEY": CANARY, "RUSHES_OPENAI_API_KEY": CANARY}
    assert without_keys({**given, "RUSHES_OPENAI_API_KEY_FILE": "/x"}) == {
        "PATH": "/bin",
        "RUSHES_OPENAI_API_KEY_FILE": "/x",
    }
