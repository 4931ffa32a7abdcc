"""Frames to a GIF: one palette for all of them and only what changed in each, for a small file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

COLOURS = 255  # a GIF has 256; one stays free for "as in the frame before"
SLOWEST, FASTEST = 0.1, 50.0  # frames per second; players do not keep up with delays below 2/100 s


def save_gif(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> None:
    """Writes an endless animation.

    Args:
        path: Where the file goes; its folder must exist.
        frames: Pictures of one size, (H, W, 3) uint8, as `Painter.paint` returns them.
        fps: Frames per second, 0.1 to 50; a GIF counts in hundredths of a second, so this is rounded.

    Raises:
        ValueError: If there is no frame, a frame is no picture, sizes differ or `fps` is out of range.
        ImportError: If Pillow, which imageio brings, is missing.
    """
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"fps must be {SLOWEST} to {FASTEST}, got {fps}")
    pictures = _checked(frames)
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("a GIF needs imageio and its Pillow: pip install 'llm-credit-wrappers[tianshou]'") from error
    sample = Image.fromarray(_colours(pictures))
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)
    # Not dithered: noise that changes from frame to frame would cost most of the file.
    coded = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    delay = max(2, round(100 / fps)) * 10
    coded[0].save(path, "GIF", save_all=True, append_images=coded[1:], duration=delay, loop=0, disposal=1)


def _checked(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    pictures = [np.asarray(frame) for frame in frames]
    if not pictures:
        raise ValueError("no frames to save")
    for index, picture in enumerate(pictures):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"frame {index} must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
        if picture.shape != pictures[0].shape:
            raise ValueError(f"frame {index} has shape {picture.shape}, the first {pictures[0].shape}")
    return pictures


def _colours(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the frames' colours as a picture of one row, (1, K, 3) uint8.

    Colours come as often as the root of their number of pixels: by pixels alone, the dark sky would take the
    whole palette, and a flash that is seen in one frame would lose its red.
    """
    count = np.zeros(64**3, dtype=np.int64)
    example = np.zeros((64**3, 3), dtype=np.uint8)
    for picture in pictures:
        pixels = picture.reshape(-1, 3)
        coarse = (pixels >> 2).astype(np.int64) @ np.array([4096, 64, 1])
        count += np.bincount(coarse, minlength=64**3)
        example[coarse] = pixels
    seen = np.flatnonzero(count)
    return np.repeat(example[seen], np.ceil(np.sqrt(count[seen])).astype(np.int64), axis=0)[None]
