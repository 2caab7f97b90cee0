import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import SettingsInvalid
from core.process.keys import MIN_KEY_BYTES, read_or_make_key

MAKE = """
import sys
from pathlib import Path
from core.process.keys import read_or_make_key
sys.stdin.read()
print(read_or_make_key(Path(sys.argv[1])).hex())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "some.key"


def test_a_key_is_made_once_and_read_from_then_on(path: Path) -> None:
    first = read_or_make_key(path)

    assert len(first) == MIN_KEY_BYTES
    assert read_or_make_key(path) == first
    assert path.read_text() == first.hex() + "\n"


def test_only_the_owner_may_read_a_key(path: Path) -> None:
    old_umask = os.umask(0)
    try:
        read_or_make_key(path)
    finally:
        os.umask(old_umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_lies_beside_a_key(path: Path) -> None:
    read_or_make_key(path)
    assert list(path.parent.iterdir()) == [path]


def test_keys_of_two_files_differ(path: Path) -> None:
    assert read_or_make_key(path) != read_or_make_key(path.with_name("other.key"))


def test_many_processes_at_once_agree_on_one_key(path: Path) -> None:
    # Given processes that wait for the same moment
    command = [sys.executable, "-c", MAKE, str(path)]
    pipe = subprocess.PIPE
    makers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]

    # When it comes
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.close()
        maker.stdin = None
    made = {maker.communicate(timeout=30)[0].strip() for maker in makers}

    # Then all have the key that lies there, alone
    assert made == {path.read_text().strip()}
    assert list(path.parent.iterdir()) == [path]


def test_many_threads_at_once_agree_on_one_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(read_or_make_key, [path] * 50))) == 1


def test_the_draft_of_a_process_that_died_is_no_obstacle(path: Path) -> None:
    # In a container every start has the same few process ids.
    path.parent.mkdir()
    path.with_name(f"{path.name}.{os.getpid()}").touch()

    assert len(read_or_make_key(path)) == MIN_KEY_BYTES


def test_a_longer_key_with_space_around_it_is_taken(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(f"  {'ab' * 64}\n\n")
    assert read_or_make_key(path) == b"\xab" * 64


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"ab" * (MIN_KEY_BYTES - 1), "a key needs 32 bytes, this has 31"),
        (b"", "a key needs 32 bytes, this has 0"),
        (b"not hex at all", "can't be read as a key in hex"),
        (b"abc" * 33, "can't be read as a key in hex"),
        (b"\xff\xfe" * 64, "can't be read as a key in hex"),
    ],
)
def test_a_bad_key_is_refused_by_its_path(path: Path, content: bytes, complaint: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(SettingsInvalid) as caught:
        read_or_make_key(path)
    assert complaint in caught.value.message
    assert str(path) in caught.value.message


def test_a_key_is_never_part_of_the_complaint(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("abcdef")
    with pytest.raises(SettingsInvalid) as caught:
        read_or_make_key(path)
    assert "abcdef" not in caught.value.message.replace(str(path), "")


def test_a_key_that_can_not_be_made_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "some.key"

    with pytest.raises(SettingsInvalid, match=r"file/some\.key"):
        read_or_make_key(path)
