"""Log lines of a process, as its supervisor reads them."""

import json
import os
import subprocess
import sys

PROGRAM = """
import logging
from core.process.telemetry import configure_logging, get_logger
configure_logging({level!r}, "server", "server-1")
log = get_logger("server.x")
log.info("job_accepted", job_id="j")
log.debug("not_shown")
logging.getLogger("some.library").info("not shown: the secret prompt")
logging.getLogger("some.library").warning("it says %s", "something")
try:
    try:
        {{}}["the secret prompt"]
    except KeyError as error:
        raise ValueError("the secret prompt") from error
except ValueError:
    log.exception("call_broke")
    logging.getLogger("some.library").exception("it broke")
"""


def test_each_line_is_json_with_event_role_and_time_and_no_exception_text() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level="info")],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "job_accepted",
        "library_message",
        "call_broke",
        "library_message",
    ]
    assert all(line["role"] == "server" and line["timestamp"] for line in lines)
    assert all(line["process"] == "server-1" for line in lines)
    assert lines[1]["message"] == "it says something"
    assert lines[1]["library"] == "some.library"
    for line in lines[2:]:
        assert line["exception"]["type"] == "builtins.ValueError"
        assert line["exception"]["cause"]["type"] == "builtins.KeyError"
    assert "the secret prompt" not in done.stderr


def test_at_the_lowest_level_libraries_still_keep_their_values_to_themselves() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level="DEBUG")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not_shown" in done.stderr
    assert "the secret prompt" not in done.stderr


SDKS = """
import logging
from core.process.telemetry import configure_logging
configure_logging("DEBUG", "worker")
import httpx2, openai
from google import genai
from google.auth import _default
for name in ("openai", "google_genai", "google.genai", "google.auth", "httpx2", "httpcore2"):
    logging.getLogger(name).debug("Authorization: the secret key")
    logging.getLogger(f"{name}._client").info("POST /?key=the secret key")
from core.process.settings import read_settings
from core.process.telemetry import get_logger
settings = read_settings(gemini_api_key="the secret key", openai_api_key="the secret key")
get_logger("workers.x").info("started", settings=settings, key=settings.gemini_api_key)
"""


def test_libraries_of_providers_tell_no_request_whatever_their_own_variables_say() -> None:
    loud = {"OPENAI_LOG": "debug", "GOOGLE_GENAI_DEBUG": "1", "HTTPX2_LOG_LEVEL": "trace"}
    done = subprocess.run(
        [sys.executable, "-c", SDKS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **loud},
    )
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["started"]
    assert "the secret key" not in done.stderr + done.stdout


UNCAUGHT = """
import asyncio, gc, threading, warnings
from core.process.telemetry import configure_logging
configure_logging("INFO", "worker")

def breaks():
    raise KeyError("the secret prompt")

async def breaks_too():
    raise ValueError("the secret prompt")

async def forgets():
    task = asyncio.ensure_future(breaks_too())
    await asyncio.sleep(0)

thread = threading.Thread(target=breaks)
thread.start()
thread.join()
asyncio.run(forgets())
gc.collect()
warnings.warn("old")
raise RuntimeError("the secret prompt")
"""


def test_what_nobody_caught_is_a_line_too_and_keeps_its_text_to_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", UNCAUGHT],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "the secret prompt" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line.get("exception", {}).get("type") for line in lines] == [
        "builtins.KeyError",
        "builtins.ValueError",
        None,
        "builtins.RuntimeError",
    ]
    assert all(line["process"] == line["role"] == "worker" for line in lines)
    assert {lines[0]["event"], lines[3]["event"]} == {"uncaught_exception"}
