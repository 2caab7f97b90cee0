"""connect-web, the client of browsers, by each of its transports: in Node and in Chromium."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rushes.v1 import job_pb2
from tests.e2e.running import Running
from tests.e2e.test_browser import browsing, chromium, serving
from tests.node import FOLDER, bundle, node
from tests.services import wait_for

__all__ = ["chromium"]
DESCRIPTORS = Path(__file__).resolve().parents[2] / "protos" / "rushes.binpb"
State = job_pb2.Job


def check(found: dict[str, Any]) -> None:
    """What docs/browsers.md says of the transports."""
    wrong = {"code": "InvalidArgument", "reasons": ["FIELD_INVALID"]}
    for name in ("gRPC-Web", "Connect"):
        seen = found[name]
        assert seen["unary"] > 10
        assert seen["refusal"] == {**wrong, "message": "job_id: not a valid job ID"}
        assert seen["streamRefusal"] == {**wrong, "message": "job_ids[0]: not a valid job ID"}
        assert seen["deadline"]["code"] == "DeadlineExceeded"
        # Live: the job is submitted only when the watch has begun, and its end ends the watch
        assert seen["watch"][-1] == State.SUCCEEDED
        assert State.RUNNING in seen["watch"]
    in_json = found["Connect in JSON"]["unary"]
    assert in_json["code"] == "InvalidArgument"
    assert "useBinaryFormat" in in_json["message"]


@pytest.mark.timeout(180)
def test_both_transports_work_in_node(run: Running, user: str) -> None:
    address = f"http://localhost:{run.port}"
    command = [node(), str(FOLDER / "node.mjs"), address, run.token(user), str(DESCRIPTORS)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout))


@pytest.mark.timeout(180)
def test_both_transports_work_in_a_page_of_another_origin(
    run: Running, user: str, chromium: str, tmp_path: Path
) -> None:
    # Given a page with the bundled client, on another port than the service
    given = {
        "address": f"http://localhost:{run.port}",
        "token": run.token(user),
        "descriptors": base64.b64encode(DESCRIPTORS.read_bytes()).decode(),
    }
    script = bundle("browser.mjs", tmp_path / "bundle.js").replace("</script", "<\\/script")
    page = f"""<!doctype html><meta charset="utf-8">
<script>window.given = {json.dumps(given)};</script><script>{script}</script>"""

    # When a browser opens it
    with serving(page) as (address, told), browsing(chromium, address, tmp_path / "profile"):
        wait_for(lambda: told, "the page to tell what it saw", 90)

    # Then it can do what the same code can do in Node
    check(json.loads(told[0]))
