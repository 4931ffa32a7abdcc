"""What the choice of labels finds in random play: `python -m tests.benchmarks.label_choice`.

Of so many episodes of `duet`, the first are labelled; of the others some are chosen as a `Distillation` does, by rare
changes alone, and as many drawn. Printed is how often the module was carried in them: no critic is asked.
"""

from __future__ import annotations

import argparse

import numpy as np

from credit_wrappers import CreditWrapper, Deferred, Episode, EqualSplitCritic
from credit_wrappers.distillation.acquisition import changes, happened, rarity
from spaceworld import get_scenario, spaceworld_v0
from spaceworld.observations.feature_vector import feature_names


def played(count: int) -> list[Episode]:
    """Return episodes of robots that choose among the possible actions at random."""
    episodes: list[Episode] = []
    env = CreditWrapper(spaceworld_v0.parallel_env("duet"), Deferred(EqualSplitCritic()), record_observations=True)
    env.add_listener(lambda episode, _: episodes.append(episode))
    rng = np.random.default_rng(0)
    for seed in range(count):
        _, infos = env.reset(seed=seed)
        while env.agents:
            choice = {agent: rng.choice(np.flatnonzero(infos[agent]["action_mask"])) for agent in env.agents}
            *_, infos = env.step({agent: int(action) for agent, action in choice.items()})
        env.store.ready()
    return episodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--first", type=int, default=31)
    parser.add_argument("--many", type=int, default=30)
    options = parser.parse_args()
    episodes = played(options.episodes)
    names = feature_names(get_scenario("duet"))
    way = [k for k, name in enumerate(names) if name.startswith("module_0.to_slot")]

    def carried(some: list[Episode]) -> int:
        moved = (np.diff(np.asarray(episode.observations)[:, 0, way], axis=0) != 0.0 for episode in some)
        return sum(int(steps.any(axis=1).sum()) for steps in moved)

    seen, rest, chosen = happened(episodes[: options.first]), episodes[options.first :], []
    table = np.stack([changes(episode) for episode in rest])
    for _ in range(options.many):
        place = int(np.argmax(rarity(table, seen)))
        chosen.append(rest[place])
        seen = seen + table[place]
        table[place] = 0.0
    print(f"{options.episodes} episodes of random play on duet: the module was carried {carried(episodes)} steps")
    print(f"  in the first {options.first}: {carried(episodes[: options.first])}")
    print(f"  in {options.many} of the others with the rarest changes: {carried(chosen)}")
    print(f"  in {options.many} drawn ones: {len(rest) and carried(rest) * options.many / len(rest):.1f}, on average")


if __name__ == "__main__":
    main()
