"""The built-in renderer: pictures and films painted from a prompt, with no model and no network."""

from workers.providers.builtin.errors import RenderCancelled
from workers.providers.builtin.render import render_image, render_video
from workers.providers.builtin.sizes import image_size, video_size

__all__ = ["RenderCancelled", "image_size", "render_image", "render_video", "video_size"]
