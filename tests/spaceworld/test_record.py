"""GIF files: the frames that were given, few colours lost, small, and clear errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from spaceworld.render.record import save_gif


def frames(count: int, size: int = 64) -> list[np.ndarray]:
    """A white square that moves over a noisy dark ground, one column a frame."""
    ground = np.random.default_rng(0).integers(0, 40, (size, size, 3)).astype(np.uint8)
    pictures = []
    for index in range(count):
        picture = ground.copy()
        picture[10:20, index : index + 10] = 255
        pictures.append(picture)
    return pictures


def read(path: Path) -> tuple[list[np.ndarray], list[int]]:
    with Image.open(path) as image:
        pages = [
            (np.asarray(page.convert("RGB")), int(page.info["duration"])) for page in ImageSequence.Iterator(image)
        ]
    return [picture for picture, _ in pages], [duration for _, duration in pages]


def test_a_gif_holds_its_frames_in_order(tmp_path: Path) -> None:
    given = frames(12)
    save_gif(tmp_path / "a.gif", given, fps=10)
    found, durations = read(tmp_path / "a.gif")
    assert durations == [100] * 12
    for expected, picture in zip(given, found, strict=True):
        assert np.abs(expected.astype(int) - picture).mean() < 8
        assert np.array_equal((expected == 255).all(axis=2), (picture > 240).all(axis=2))


def test_it_repeats_without_end(tmp_path: Path) -> None:
    save_gif(tmp_path / "a.gif", frames(3), fps=5)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 0


def test_a_repeated_frame_lasts_longer(tmp_path: Path) -> None:
    given = frames(2)
    save_gif(tmp_path / "a.gif", [*given, given[-1], given[-1]], fps=10)
    _, durations = read(tmp_path / "a.gif")
    assert durations == [100, 300]


def test_a_colour_seen_in_one_frame_only_is_kept(tmp_path: Path) -> None:
    given = frames(40)
    given[23][40:46, 40:46] = (255, 0, 0)
    save_gif(tmp_path / "a.gif", given, fps=10)
    found, _ = read(tmp_path / "a.gif")
    assert np.abs(found[23][42, 42].astype(int) - (255, 0, 0)).max() < 16


def test_what_stays_the_same_is_not_written_again(tmp_path: Path) -> None:
    save_gif(tmp_path / "one.gif", frames(1, 200), fps=10)
    save_gif(tmp_path / "many.gif", frames(41, 200), fps=10)
    one, many = (tmp_path / "one.gif").stat().st_size, (tmp_path / "many.gif").stat().st_size
    assert many - one < one


def test_frames_may_come_from_a_generator(tmp_path: Path) -> None:
    save_gif(str(tmp_path / "a.gif"), iter(frames(3)), fps=10)
    assert len(read(tmp_path / "a.gif")[0]) == 3


@pytest.mark.parametrize("fps", [0, -1, 51, float("nan")])
def test_a_speed_that_no_player_keeps_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        save_gif(tmp_path / "a.gif", frames(2), fps=fps)


def test_bad_frames_are_refused_by_number_and_no_file_is_left(tmp_path: Path) -> None:
    good = frames(1)[0]
    with pytest.raises(ValueError, match="no frames"):
        save_gif(tmp_path / "a.gif", [], fps=10)
    with pytest.raises(ValueError, match="frame 1 must be"):
        save_gif(tmp_path / "a.gif", [good, good.astype(float)], fps=10)
    with pytest.raises(ValueError, match="frame 1 has shape"):
        save_gif(tmp_path / "a.gif", [good, good[:-1]], fps=10)
    assert not list(tmp_path.iterdir())


def test_without_pillow_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"llm-credit-wrappers\[video\]"):
        save_gif(tmp_path / "a.gif", frames(2), fps=10)


def test_importing_the_recorder_imports_no_picture_library() -> None:
    code = "import sys, spaceworld.render.record; print({'PIL', 'imageio', 'pygame'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
