"""Animations to a file: a small GIF, with one palette and only what changes in each frame, or an MP4 (H.264)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

COLOURS = 255  # a GIF has 256; one means "as in the frame before"
SLOWEST, FASTEST = 0.1, 50.0  # frames per second; players cannot show delays below 2/100 s


def save(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> None:
    """Write an animation in the format of the file's name: `.gif` or `.mp4`.

    Raises:
        ValueError: For another ending, or as `save_gif` and `save_mp4` do.
        ImportError: If a package is missing; the message says what to install.
    """
    check_name(path)
    (save_gif if Path(path).suffix.lower() == ".gif" else save_mp4)(path, frames, fps)


def check_name(path: str | Path) -> None:
    """Check that an animation can be saved under that name.

    Raises:
        ValueError: If the name ends neither in `.gif` nor in `.mp4`, or its folder does not exist.
    """
    if Path(path).suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"cannot record to {str(path)!r}: the name must end in .gif or .mp4")
    if not Path(path).parent.is_dir():
        raise ValueError(f"cannot record to {str(path)!r}: there is no folder {str(Path(path).parent)!r}")


def save_mp4(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> None:
    """Write a film that every browser plays (H.264, yuv420p), from the arguments of `save_gif`.

    The frames are written one by one. An odd last row or column is cut off.

    Raises:
        ValueError: As `save_gif`; an incomplete file is removed.
        ImportError: If imageio-ffmpeg is missing.
    """
    pictures = _checked(frames, fps)
    first = next(pictures)
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ImportError(
            "an MP4 needs imageio-ffmpeg: pip install 'llm-credit-wrappers[video]', or record to a .gif"
        ) from error
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    film = imageio_ffmpeg.write_frames(str(path), (width, height), fps=fps, quality=8, macro_block_size=2)
    try:
        film.send(None)
        for picture in itertools.chain([first], pictures):
            film.send(np.ascontiguousarray(picture[:height, :width]))
    except ValueError:
        film.close()
        Path(path).unlink(missing_ok=True)
        raise
    film.close()


def save_gif(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> None:
    """Write an endless animation.

    Args:
        path: Where the file goes; its folder must exist.
        frames: Pictures of one size, (H, W, 3) uint8, as `Painter.paint` returns them.
        fps: Frames per second, 0.1 to 50; a GIF counts in hundredths of a second, so this is rounded.

    Raises:
        ValueError: If there is no frame, a frame is no picture, sizes differ or `fps` is out of range.
        ImportError: If Pillow is missing.
    """
    pictures = list(_checked(frames, fps))
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("a GIF needs Pillow: pip install 'llm-credit-wrappers[video]'") from error
    sample = Image.fromarray(_colours(pictures))
    palette = sample.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)
    # not dithered: noise that changes from frame to frame would take most of the file
    coded = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    delay = max(2, round(100 / fps)) * 10
    coded[0].save(path, "GIF", save_all=True, append_images=coded[1:], duration=delay, loop=0, disposal=1)


def _checked(frames: Iterable[np.ndarray], fps: float) -> Iterator[np.ndarray]:
    """Yield the frames as arrays of one shape."""
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"fps must be {SLOWEST} to {FASTEST}, got {fps}")
    shape = None
    for index, frame in enumerate(frames):
        picture = np.asarray(frame)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"frame {index} must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
        if shape is not None and picture.shape != shape:
            raise ValueError(f"frame {index} has shape {picture.shape}, the first {shape}")
        shape = picture.shape
        yield picture
    if shape is None:
        raise ValueError("no frames to save")


def _colours(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return the frames' colours as a picture of one row, (1, K, 3) uint8.

    Each colour counts by the root of its number of pixels. Counted by pixels, the dark sky would take the whole
    palette, and a flash in one frame would lose its red.
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
