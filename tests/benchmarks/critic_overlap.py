"""How much of a slow model's time is hidden: `python -m tests.benchmarks.critic_overlap`.

A loopback server in a process of its own answers each question after two seconds, by the rules of the scripted
stand-in. 64 `pair` episodes are scored with 16 queries in flight: ideal are 64 / 16 * 2 = 8 seconds. Meanwhile eight
environments are stepped in the main thread; their rate is compared with the rate before and after, when no critic is
at work. Prints figures, asserts nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np

from credit_wrappers import AnthropicClient, CreditStore, CreditWrapper, Deferred, Episode, LLMCritic, SharedCritic
from credit_wrappers.testing import MessagesServer
from spaceworld import spaceworld_v0


def serve(latency: float, pipe: Connection) -> None:
    """Answer until the pipe is closed; the entry point of the server's process."""
    with MessagesServer(latency=latency) as server:
        pipe.send(server.url)
        pipe.recv()


class Keep(CreditStore):
    """Keeps the episodes instead of scoring them."""

    def __init__(self) -> None:
        super().__init__(SharedCritic(), workers=0)
        self.episodes: list[Episode] = []

    def submit(self, episode: Episode, scored: Callable | None = None) -> None:
        """Take a finished episode."""
        self.episodes.append(episode)


def record(count: int) -> list[Episode]:
    """Play `count` episodes of `pair` at random."""
    store = Keep()
    env = CreditWrapper(spaceworld_v0.parallel_env(scenario="pair"), Deferred(store))
    random = np.random.default_rng(0)
    for seed in range(count):
        env.reset(seed=seed)
        while env.agents:
            env.step({agent: int(random.integers(6)) for agent in env.agents})
    return store.episodes


class Stepping:
    """Eight environments and random actions, in the caller's thread."""

    def __init__(self) -> None:
        self.envs = [spaceworld_v0.parallel_env(scenario="pair") for _ in range(8)]
        self.actions = np.random.default_rng(0).integers(0, 6, (4096, 2)).tolist()
        self.at = 0
        for seed, env in enumerate(self.envs):
            env.reset(seed=seed)

    def rate(self, going: Callable[[], bool]) -> float:
        """Return environment steps a second while `going()`."""
        steps, began = 0, time.perf_counter()
        while going():
            for _ in range(50):
                for env in self.envs:
                    if not env.agents:
                        env.reset()
                    self.at = (self.at + 1) % len(self.actions)
                    env.step(dict(zip(env.agents, self.actions[self.at], strict=True)))
            steps += 50 * len(self.envs)
        return steps / (time.perf_counter() - began)


def lasting(seconds: float) -> Callable[[], bool]:
    """Return a function that is true for so long."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(argv)
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(given.latency, there))
    process.start()
    url = here.recv()
    episodes = record(given.episodes)
    stepping = Stepping()
    stepping.rate(lasting(0.2))
    ideal = given.episodes / given.in_flight * given.latency
    print(
        f"{given.episodes} episodes of pair, {given.in_flight} in flight, {given.latency:g} s each: ideal {ideal:g} s"
    )
    for k in range(given.rounds + 1):  # the first opens the connections and imports the SDK
        took = score(url, episodes, given.in_flight)
        before = stepping.rate(lasting(ideal / 4))
        times: list[float] = []
        thread = threading.Thread(target=lambda out=times: out.append(score(url, episodes, given.in_flight)))
        thread.start()
        during = stepping.rate(thread.is_alive)
        after = stepping.rate(lasting(ideal / 4))
        alone = (before + after) / 2
        print(
            f"{'warm-up' if k == 0 else f'round {k}'}: scored alone in {took:.2f} s ({took / ideal:.3f} x ideal); "
            f"beside 8 environments in {times[0]:.2f} s ({times[0] / ideal:.3f} x); these step at "
            f"{during:,.0f} a second ({during / alone:.3f} of the {alone:,.0f} without a critic)",
            flush=True,
        )
    here.send(None)
    process.join()


def score(url: str, episodes: list[Episode], in_flight: int) -> float:
    """Return the seconds that scoring takes."""
    critic = LLMCritic(AnthropicClient("m", base_url=url))
    began = time.perf_counter()
    with CreditStore(critic, episodes_per_query=1, workers=in_flight) as store:
        for episode in episodes:
            store.submit(episode)
        credits = store.settle([episode.id for episode in episodes])
    took = time.perf_counter() - began
    assert {credit.source for _, credit in credits} == {"model"}
    assert len(credits) == len(episodes)
    critic.client.close()
    return took


if __name__ == "__main__":
    main()
