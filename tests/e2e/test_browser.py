"""Chromium plays what was made, from its signed address."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rushes import Client
from server.services import SERVICES
from tests.e2e.running import Running
from tests.services import missing, wait_for

FLAGS = [
    "--headless",
    "--no-sandbox",  # it runs as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--autoplay-policy=no-user-gesture-required",
]
# Loads, plays some frames, seeks near the end, and tells what it saw.
PAGE = """<!doctype html><meta charset="utf-8">
<video id="video" muted preload="auto" crossorigin="anonymous"></video>
<script>
const video = document.getElementById("video"), seen = {};
const tell = () => fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
const pixels = () => {
  const canvas = document.createElement("canvas");
  canvas.width = 32; canvas.height = 18;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 18);
  return Array.from(context.getImageData(0, 0, 32, 18).data);
};
const event = name => new Promise(done => video.addEventListener(name, done, {once: true}));
video.onerror = () => { seen.error = video.error.message; tell(); };
event("loadeddata").then(async () => {
  Object.assign(seen, {duration: video.duration, width: video.videoWidth});
  seen.height = video.videoHeight;
  seen.first = pixels();
  await video.play();
  while (video.currentTime < 0.2) await event("timeupdate");
  video.pause();
  seen.played = video.currentTime;
  video.currentTime = 6;
  await event("seeked");
  seen.at = video.currentTime;
  seen.last = pixels();
  tell();
}).catch(error => { seen.error = String(error); tell(); });
video.src = ADDRESS;
</script>"""


# Shows an item as pages usually do, then reads it as scripts do, from the same address.
TWICE = """<!doctype html><meta charset="utf-8">
<video id="video" muted preload="auto"></video>
<script>
const seen = {}, tell = () => fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
const load = crossOrigin => new Promise(done => {
  const image = new Image();
  if (crossOrigin) image.crossOrigin = crossOrigin;
  image.onload = () => done("loaded");
  image.onerror = () => done("blocked");
  image.src = THUMBNAIL;
});
const play = () => new Promise(done => {
  const video = document.getElementById("video");
  video.oncanplaythrough = () => done("played");
  video.onerror = () => done("blocked");
  video.src = ADDRESS;
});
(async () => {
  seen.shown = await load(null);
  seen.read = await load("anonymous");
  seen.film = await play();
  seen.bytes = await fetch(ADDRESS).then(r => r.arrayBuffer()).then(b => b.byteLength, String);
  tell();
})();
</script>"""


class Site(BaseHTTPRequestHandler):
    """One page, and the ear for what it tells."""

    page = ""
    told: list[bytes]

    def do_GET(self) -> None:
        self._answer(200, self.page.encode())

    def do_POST(self) -> None:
        self.told.append(self.rfile.read(int(self.headers["content-length"])))
        self._answer(200, b"")

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def chromium() -> str:
    return shutil.which("chromium") or shutil.which("chromium-browser") or missing("Chromium")


@contextmanager
def serving(page: str) -> Iterator[tuple[str, list[bytes]]]:
    """The address of a site with the page, and what the page told."""
    told: list[bytes] = []
    handler = type("OneSite", (Site,), {"page": page, "told": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/", told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browsing(chromium: str, address: str, profile: Path) -> Iterator[None]:
    """A browser on the address, until the block ends."""
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", address]
    profile.mkdir()
    env = {**os.environ, "HOME": str(profile)}
    with profile.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.timeout(180)
def test_a_browser_plays_and_seeks_a_video(client: Client, chromium: str, tmp_path: Path) -> None:
    job = client.generate_video("calm ocean waves at sunset", duration=8)
    [media] = client.wait(job.job_id, timeout=120).outputs
    page = PAGE.replace("ADDRESS", json.dumps(media.url))

    with serving(page) as (address, told), browsing(chromium, address, tmp_path / "profile"):
        wait_for(lambda: told, "the page to tell what it saw", 60)

    seen = json.loads(told[0])
    assert "error" not in seen
    assert (seen["width"], seen["height"], seen["duration"]) == (1280, 720, 8)
    assert 0.2 <= seen["played"] < 6
    assert seen["at"] == 6
    assert len(set(seen["last"])) > 10
    assert seen["first"] != seen["last"]


@pytest.mark.timeout(180)
def test_a_page_may_show_an_item_and_then_read_it(
    client: Client, chromium: str, tmp_path: Path
) -> None:
    # Given a video whose address a page of another origin shows without asking for CORS
    job = client.generate_video("calm ocean waves", duration=1, resolution="360p")
    [media] = client.wait(job.job_id, timeout=120).outputs
    page = TWICE.replace("ADDRESS", json.dumps(media.url))
    page = page.replace("THUMBNAIL", json.dumps(media.thumbnail_url))

    # When the page then asks for the same address with CORS
    with serving(page) as (address, told), browsing(chromium, address, tmp_path / "profile"):
        wait_for(lambda: told, "the page to tell what it saw", 60)

    # Then the answer that is cached for the first is not taken for the second
    seen = json.loads(told[0])
    assert (seen["shown"], seen["read"], seen["film"]) == ("loaded", "loaded", "played")
    assert seen["bytes"] == media.size_bytes


def test_the_page_of_calls_shows_every_service(run: Running, chromium: str, tmp_path: Path) -> None:
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [chromium, *FLAGS, profile, "--virtual-time-budget=20000", "--dump-dom"]

    shown = subprocess.run(
        [*command, f"http://localhost:{run.port}/docs"],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout

    for service in SERVICES:
        assert f'id="operations-tag-{service.descriptor.name.removesuffix("Service")}"' in shown
