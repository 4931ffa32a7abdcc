"""Episodes as pictures, without a screen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spaceworld.app.teams import Team
from spaceworld.env import SpaceworldEnv
from spaceworld.render.motion import motion
from spaceworld.render.pixels import Painter, pixels

HOLD = 1.0  # seconds that the last picture of an episode is shown


def film(
    env: SpaceworldEnv,
    team: Team,
    layouts: Iterator[int],
    *,
    height: int = 480,
    smooth: int = 1,
    fps: float = 6.0,
    steps: int | None = None,
) -> Iterator[np.ndarray]:
    """Yield the pictures of one episode for each layout, (H, W, 3) uint8: the start, then `smooth` for each step.

    Args:
        env: The environment.
        team: The team that plays.
        layouts: Seeds of the episodes.
        height: Height of a picture in pixels.
        smooth: Pictures per step.
        fps: Steps per second; the last picture is held for a second.
        steps: Longest episode in steps; None sets no limit.
    """
    painter = Painter(height)
    for seed in layouts:
        observations, infos = env.reset(seed=seed)
        policy = team.policy(env, env.possible_agents)
        scene = env.scene()
        picture = painter.paint(scene)
        yield picture
        while env.agents and (steps is None or scene.step < steps):
            observations, _, _, _, infos = env.step(policy(observations, infos))
            before, scene = scene, env.scene()
            for k in range(1, smooth + 1):
                picture = pixels(painter.draw(scene, None, motion(before, scene, k / smooth)))
                yield picture
        yield from [picture] * round(HOLD * fps * smooth)
