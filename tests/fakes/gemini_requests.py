"""What the Gemini Developer API takes, as far as our workers send it; the rest is refused."""

import base64
import re
from typing import Any

VIDEO_MODELS = {"gemini-omni-1.2-flash", "gemini-omni-1.1-flash"}
IMAGE_MODELS = {
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "gemini-nano-banana-2.1",
}
RATIOS = {"16:9", "9:16"}
RESOLUTIONS = {"360p", "720p", "1080p", "4k"}
TASKS = {"text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"}
IMAGE_SIZES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)s")
_RATIO = re.compile(r"([0-9]+):([0-9]+)")
Fields = dict[str, Any]


class Refused(Exception):
    """The request is wrong: `field` says where."""

    def __init__(self, field: str, status: int = 400) -> None:
        super().__init__(field)
        self.status = status


def check_video(body: Fields) -> tuple[float, Fields]:
    """Seconds and form of a video.

    Raises:
        Refused: when it is none that can be made.
    """
    known = {"model", "background", "input", "response_format", "generation_config"}
    _only(body, known)
    if body.get("model") not in VIDEO_MODELS:
        raise Refused("model", 404)
    if body.get("background") is not True:
        raise Refused("background")
    listed = body.get("response_format")
    form = listed[0] if isinstance(listed, list) and len(listed) == 1 else listed
    if not isinstance(form, dict) or form.get("type") != "video":
        raise Refused("response_format")
    _only(form, {"type", "aspect_ratio", "resolution", "duration", "delivery"})
    _one_of(form, "aspect_ratio", RATIOS)
    _one_of(form, "resolution", RESOLUTIONS)
    found = _DURATION.fullmatch(str(form.get("duration", "10s")))
    seconds = float(found[1]) if found else 0
    if not 3 <= seconds <= 10:
        raise Refused("duration")
    config = body.get("generation_config", {})
    _only(config, {"seed", "video_config"})
    _one_of(config.get("video_config", {}), "task", TASKS)
    _check_inputs(body["input"])
    return seconds, form


def _check_inputs(steps: list[Fields]) -> None:
    for step in steps:
        for content in step.get("content", [step]):
            _one_of(content, "type", {"text", "image", "video"})
            if content["type"] != "text":
                base64.b64decode(content["data"], validate=True)


def check_picture(model: str, body: Fields) -> tuple[int, int]:
    """Width and height; how the sizes go with ratios is a guess.

    Raises:
        Refused: when it is none that can be made.
    """
    if model not in IMAGE_MODELS:
        raise Refused("model", 404)
    _only(body, {"contents", "generationConfig"})
    config = body["generationConfig"]
    _only(config, {"seed", "responseModalities", "imageConfig"})
    form = config["imageConfig"]
    _only(form, {"aspectRatio", "imageSize"})
    side, ratio = IMAGE_SIZES.get(form["imageSize"]), _RATIO.fullmatch(form["aspectRatio"])
    if side is None or ratio is None:
        raise Refused("imageConfig")
    across, down = int(ratio[1]), int(ratio[2])
    scale = side / (across * down) ** 0.5
    return round(across * scale), round(down * scale)


def _only(fields: Fields, known: set[str]) -> None:
    if unknown := sorted(set(fields) - known):
        raise Refused(unknown[0])


def _one_of(fields: Fields, name: str, values: set[str]) -> None:
    if name in fields and fields[name] not in values:
        raise Refused(name)
