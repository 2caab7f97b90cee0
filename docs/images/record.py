"""Makes `generate.svg`: a real run of `rushes generate video` in tmux, as an animated SVG.

With `make up` running, from the repository: `.venv/bin/python docs/images/record.py`. Needs tmux.
"""

import html
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

COMMAND = '.venv/bin/rushes generate video "calm ocean waves at sunset" --out waves.mp4'
COLUMNS, ROWS = 88, 4
TMUX = ("tmux", "-L", "rushes-record", "-f", "/dev/null")
FRAME_SECONDS, MOST_SECONDS, HOLD_SECONDS = 0.2, 60.0, 3.0
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 20, 14
COLOURS = {"38;5;197": "#f92672", "38;5;237": "#4a4a4a", "38;5;70": "#6fae2e", "33": "#d0a215"}
PLAIN = "#d4d4d4"


def main() -> None:
    """Records and writes the picture beside this file."""
    frames = list(_record())
    target = Path(__file__).with_name("generate.svg")
    target.write_text(_svg(frames))
    print(f"{target.name}: {len(frames)} frames, {target.stat().st_size // 1024} KiB")


def _record() -> Iterator[tuple[float, str]]:
    """When a frame appeared, in seconds, and its text; only frames that differ."""
    size = ("-x", str(COLUMNS), "-y", str(ROWS))
    shell = "env PS1='$ ' TERM=xterm-256color bash --norc --noprofile"
    _tmux("new-session", "-d", "-s", "record", *size, shell)
    try:
        while _screen() != "$":
            time.sleep(FRAME_SECONDS)
        _tmux("send-keys", "-t", "record", "-l", COMMAND)
        while _screen() != f"$ {COMMAND}":
            time.sleep(FRAME_SECONDS)
        begun, last = time.monotonic(), ""
        while time.monotonic() - begun < MOST_SECONDS:
            text = _screen()
            if text != last:
                yield time.monotonic() - begun, text
                if text.endswith("\n$"):
                    return
                if not last:
                    _tmux("send-keys", "-t", "record", "Enter")
                last = text
            time.sleep(FRAME_SECONDS)
    finally:
        _tmux("kill-session", "-t", "record")


def _screen() -> str:
    return _tmux("capture-pane", "-t", "record", "-e", "-p").rstrip()


def _tmux(*words: str) -> str:
    return subprocess.run((*TMUX, *words), check=True, capture_output=True, text=True).stdout


def _svg(frames: list[tuple[float, str]]) -> str:
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN
    total = frames[-1][0] + HOLD_SECONDS
    starts = [0.0] + [start for start, _ in frames[1:]]
    ends = [*starts[1:], total]
    shown = "".join(
        _frame(text, start / total, end / total, total)
        for (_, text), start, end in zip(frames, starts, ends, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img">'
        f"<title>{html.escape(COMMAND)}</title>"
        "<style>text{font:14px ui-monospace,Menlo,Consolas,monospace;white-space:pre}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#1e1e1e"/>{shown}</svg>\n'
    )


def _frame(text: str, start: float, end: float, total: float) -> str:
    lines = "".join(_line(line, row) for row, line in enumerate(text.split("\n")))
    keys, values = [0.0, start, end], ["none", "inline", "none"]
    if not start:
        keys, values = [0.0, end], ["inline", "none"]
    base = "none"
    if end >= 1:  # The last one is what a viewer without animation shows.
        keys, values, base = keys[:-1], values[:-1], "inline"
    return (
        f'<g display="{base}"><animate attributeName="display" calcMode="discrete"'
        f' dur="{total:.2f}s"'
        f' keyTimes="{";".join(f"{key:.4f}" for key in keys)}" values="{";".join(values)}"'
        f' repeatCount="indefinite"/>{lines}</g>'
    )


def _line(line: str, row: int) -> str:
    """One row; each run of one colour is as wide as its cells, whatever the font."""
    colour, column, y = PLAIN, 0, MARGIN + CELL_HEIGHT * row + 15
    runs = []
    for part in re.split(r"(\x1b\[[\d;]*m)", line.rstrip()):
        if part.startswith("\x1b"):
            colour = COLOURS.get(part[2:-1], PLAIN)
        elif part:
            x, long = MARGIN + column * CELL_WIDTH, len(part) * CELL_WIDTH
            runs.append(
                f'<text x="{x:.1f}" y="{y}" fill="{colour}" textLength="{long:.1f}">'
                f"{html.escape(part)}</text>"
            )
            column += len(part)
    return "".join(runs)


if __name__ == "__main__":
    main()
