"""A bare EventSource in Chromium, and the code of docs/streams.md, while processes are killed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rushes import Client
from tests.e2e.processes import linux_only
from tests.e2e.running import Running
from tests.e2e.test_browser import browsing, chromium, serving
from tests.services import wait_for

__all__ = ["chromium"]
DOCS = (Path(__file__).resolve().parents[2] / "docs" / "streams.md").read_text()
CHANGES = 3  # of a job that works: queued, started, succeeded
PAGE = """<!doctype html><meta charset="utf-8"><script>
const { address, token } = GIVEN;
const seen = { revisions: [], names: [], errors: 0, tickets: 0 };
const tell = () => fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
async function getTicket() {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${address}/v1/streams:ticket`, { method: "POST", headers });
  seen.tickets += 1;
  return (await answer.json()).ticket;
}
function handle(event) {
  seen.names.push(Object.keys(event).find((name) => !["revision", "eventTime"].includes(name)));
  if (event.revision) seen.revisions.push(Number(event.revision));
  if (event.revision || event.synced) tell();
}
BODY
</script>"""
BARE = """
getTicket().then((ticket) => {
  const source = new EventSource(`${address}/v1/jobs:watch?ticket=${ticket}`);
  for (const name of ["job", "synced", "reset"]) {
    source.addEventListener(name, ({ data }) => JSON.parse(data).events.forEach(handle));
  }
  source.onerror = () => { seen.errors += 1; tell(); };
});
"""
FOLLOW = "followJobs(address, getTicket, handle);"


def follow_jobs() -> str:
    """The code that the docs tell people to use."""
    [code] = re.findall(r"```js\n(.*?)```", DOCS, re.DOTALL)
    return str(code)


def page(run: Running, user: str, body: str) -> str:
    given = {"address": f"http://localhost:{run.port}", "token": run.token(user)}
    return PAGE.replace("GIVEN", json.dumps(given)).replace("BODY", body)


def make_image(client: Client) -> None:
    client.wait(client.generate_image("boat", size="256x256").job_id, timeout=60)


def kill(run: Running, *names: str) -> None:
    """kill -9, and waits until others are in their place."""
    killed = {name: run.child(name) for name in names}
    for process in killed.values():
        assert process is not None
        process.kill()
    for name, process in killed.items():
        wait_for(lambda n=name, p=process: run.child(n) not in (None, p), f"{name} again")


@linux_only
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("body", "names", "breaks"),
    [
        (BARE, ("server-1", "server-2"), False),
        (follow_jobs() + FOLLOW, ("server-1", "server-2"), False),
        (follow_jobs() + FOLLOW, ("http",), True),
        (follow_jobs() + FOLLOW, ("envoy",), True),
    ],
    ids=["bare, servers", "docs, servers", "docs, HTTP process", "docs, edge"],
)
def test_a_page_loses_nothing_and_sees_nothing_twice(
    run: Running,
    user: str,
    client: Client,
    chromium: str,
    tmp_path: Path,
    body: str,
    names: tuple[str, ...],
    breaks: bool,
) -> None:
    with (
        serving(page(run, user, body)) as (address, told),
        browsing(chromium, address, tmp_path / "profile"),
    ):
        # Given a page that watches with a ticket
        seen = looker(told)
        wait_for(lambda: "synced" in seen()["names"], "the stream to be live", 60)
        make_image(client)
        wait_for(lambda: len(seen()["revisions"]) >= CHANGES, "the first job's changes", 60)

        # When processes between it and the truth are killed, and jobs go on
        for count in (2, 3):
            kill(run, *names)
            make_image(client)
            wanted = count * CHANGES
            wait_for(lambda n=wanted: len(seen()["revisions"]) >= n, "all changes", 60)

        # Then it has every change once, in order
        found = seen()
        assert found["revisions"] == list(range(1, 3 * CHANGES + 1))
        # And when servers die, its connection does not even break
        assert found["errors"] == 0
        assert (found["tickets"] > 1) is breaks
        assert "reset" not in found["names"]


def looker(told: list[bytes]) -> Callable[[], dict[str, Any]]:
    """What the page has told last. What it saw only grows, and its requests may overtake others."""

    def seen() -> dict[str, Any]:
        nothing: dict[str, Any] = {"names": [], "revisions": [], "errors": 0, "tickets": 0}
        found: list[dict[str, Any]] = [nothing, *map(json.loads, told)]
        return max(found, key=lambda one: (len(one["names"]), one["errors"], one["tickets"]))

    return seen


@pytest.mark.timeout(120)
def test_a_page_with_a_used_ticket_is_refused_for_good(
    run: Running, user: str, chromium: str, tmp_path: Path
) -> None:
    body = """
getTicket().then(async (ticket) => {
  const open = () => new EventSource(`${address}/v1/jobs:watch?ticket=${ticket}`);
  const first = open();
  await new Promise((done) => first.addEventListener("synced", done, { once: true }));
  const second = open();
  await new Promise((done) => second.addEventListener("error", done, { once: true }));
  seen.state = second.readyState;
  tell();
});
"""
    with (
        serving(page(run, user, body)) as (address, told),
        browsing(chromium, address, tmp_path / "profile"),
    ):
        wait_for(lambda: told, "the page to tell what it saw", 60)

    assert json.loads(told[0])["state"] == 2  # EventSource.CLOSED
