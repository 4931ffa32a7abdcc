"""What a training run is made of: one frozen dataclass, filled from the command line."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from tianshou_examples.experiment.env_families import family_of
from tianshou_examples.experiment.methods import METHODS

CRITICS = ("scripted", "scripted-noisy", "scripted-farmable", "anthropic", "openai", "recorded")
ALGORITHMS = ("ppo", "ddqn")
MASKS = ("possible", "safe")
POLICIES = ("shared", "per-agent")
FALLBACKS = ("equal", "shared", "raise")


@dataclass(frozen=True)
class Settings:
    """One run of `train.py`; also written to `config.json`."""

    env: str = "spaceworld:duet"
    action_mask: str = "possible"
    method: tuple[str, ...] = ("mca", "shared")
    critic: str = "scripted"
    model: str | None = None
    base_url: str | None = None
    fallback: str = "equal"
    episodes_per_query: int = 8
    in_flight: int = 8  # queries to a model under way at a time
    max_calls: int | None = None  # of each learner, as the next two
    max_cost: float | None = None
    prices: tuple[float, ...] | None = None  # per million tokens: read, written, read from the provider's cache
    labels: int = 500  # episodes of each learner that the critic scores, most, where a student pays
    replay: str | None = None  # folder of the run whose ledgers answer
    algo: str = "ppo"
    policy: str = "shared"
    agent_id: bool = False  # whether a shared network is told which agent it plays
    steps: int = 0  # environment steps of each learner; 0: the scenario's own number
    seeds: int = 1
    jobs: int = 2  # learners that train at the same time, each in a process of its own
    envs: int = 128  # environments of one learner
    out: str = ""
    eval_episodes: int = 100  # of the final evaluation; intermediate ones play a fifth of it
    evaluations: int = 8  # intermediate ones
    recent: int = 256  # episodes over which the training's return is averaged
    wean: float = 0.6  # share of the steps over which tasks fade (taca)
    # learner: Spaceworld's, chosen once on duet with the scripted critic; the other families' are in families.py
    hidden: int = 128
    lr: float = 2e-3
    gamma: float = 0.97
    batch: int = 512  # rows of one gradient step
    # PPO
    rollout: int = 0  # steps of each environment between updates, at least the longest episode's; 0: one episode
    gae_lambda: float = 0.95
    entropy: float = 0.02
    # Share of the training in which randomness is rewarded; afterwards it is debited, so that the team learns to get on
    # while it is nearly deterministic: robots that choose alike block each other for ever when they are greedy, which a
    # team that is trained only on random moves has never seen. Early, while the learning rate is large enough for that.
    entropy_until: float = 0.35
    entropy_debit: float = 0.75  # at most, of the entropy coefficient
    clip: float = 0.2
    epochs: int = 8
    # double DQN
    buffer: int = 400_000  # rows
    rows_per_update: int = 128
    n_step: int = 3
    q_lr: float = 1e-3  # instead of lr
    exploration: float = 0.08  # share of the steps over which epsilon falls from 1 to 0.05; then slowly on to 0

    @property
    def arms(self) -> list[tuple[str, int]]:
        """(method, seed) of each learner."""
        return [(method, seed) for seed in range(self.seeds) for method in self.method]

    def as_dict(self) -> dict[str, Any]:
        """All settings as JSON values."""
        return json.loads(json.dumps(asdict(self)))

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Settings:
        """The settings that `as_dict` wrote."""
        known = {f.name for f in fields(Settings)}
        given = {k: v for k, v in values.items() if k in known}
        prices = given.get("prices")
        return replace(Settings(**given), method=tuple(given["method"]), prices=prices and tuple(prices))


TUNABLE = tuple(f.name for f in fields(Settings))[[f.name for f in fields(Settings)].index("evaluations") :]
SHARES = ("wean", "gamma", "gae_lambda", "entropy_until", "exploration")  # at most 1
MAY_BE_ZERO = ("gamma", "rollout", "gae_lambda", "entropy", "entropy_debit")


def tuned(given: list[str]) -> dict[str, int | float]:
    """The settings that `--set` names, such as `["hidden=256", "gamma=0.99"]`.

    Raises:
        ValueError: for an unknown name or a value that makes no sense; it names both and what is valid.
    """
    values: dict[str, int | float] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        if name not in TUNABLE:
            raise ValueError(f"--set {pair}: give NAME=VALUE, with one of {', '.join(TUNABLE)}")
        whole = isinstance(getattr(Settings, name), int)
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            raise ValueError(f"--set {pair}: {name} is {'a whole' if whole else 'a'} number") from None
        enough = value >= 0 if name in MAY_BE_ZERO else value > 0
        if not enough or value > (1 if name in SHARES else 1e12):
            least = "0 or more" if name in MAY_BE_ZERO else "more than 0"
            raise ValueError(f"--set {pair}: {name} must be {least}{', and at most 1' if name in SHARES else ''}")
        values[name] = value
    return values


def parse(argv: list[str] | None = None) -> tuple[Settings, str | None]:
    """Reads the command line; returns the settings and the folder to resume, if any.

    Raises:
        SystemExit: with code 2 and one line that names the valid values.
    """
    default = Settings()
    from tianshou_examples.experiment.environments import check_world, examples

    p = argparse.ArgumentParser(
        prog="python -m tianshou_examples.train",
        description="Train teams from the credits of a critic, beside the plain shared reward.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = p.add_argument
    add(
        "--env",
        default=default.env,
        help=f"{', '.join(examples())}, and every other id of the last two libraries",
    )
    add(
        "--action-mask",
        default=default.action_mask,
        choices=MASKS,
        help="of Spaceworld; safe also forbids flying into what is solid and seen; robots may still collide",
    )
    add("--method", nargs="+", default=list(default.method), choices=list(METHODS),
        help="what the learners are paid; several methods are trained beside each other")  # fmt: skip
    add("--critic", default=default.critic, choices=CRITICS,
        help="who answers for all methods but shared and equal; noisy and farmable are faulty on purpose")  # fmt: skip
    add("--delivery", default="deferred", choices=("deferred", "immediate"),
        help="of mca: deferred, when the critic has read the episode, or immediate, by a student of the critic's "
        "(instead of the method mca the method student is trained)")  # fmt: skip
    add("--labels", type=int, default=default.labels,
        help="most episodes of each learner that the critic scores where a student pays")  # fmt: skip
    add("--model", default=default.model, help="name of the model")
    add("--base-url", default=default.base_url,
        help="a server that speaks the Messages API (anthropic) or OpenAI's chat completions (openai)")  # fmt: skip
    add("--replay", metavar="FOLDER", default=None, help="--critic recorded: the run whose ledgers answer")
    add("--max-calls", type=int, default=None, help="most calls of each learner; then it stops, and can be resumed")
    add("--max-cost", type=float, default=None, help="most money of each learner; needs --prices")
    add("--prices", type=float, nargs="+", metavar="PRICE", default=None,
        help="per million tokens: read, written and, if it differs, read from the provider's cache")  # fmt: skip
    add("--in-flight", type=int, default=default.in_flight, help="queries to the model under way at a time")
    add(
        "--fallback",
        default=default.fallback,
        choices=FALLBACKS,
        help="credit when the answer is unusable twice",
    )
    add("--episodes-per-query", type=int, default=default.episodes_per_query)
    add("--algo", default=default.algo, choices=ALGORITHMS)
    add(
        "--policy",
        default=default.policy,
        choices=POLICIES,
        help="one network for the team, or one per agent",
    )
    add("--agent-id", action="store_true", help="tell the shared network which agent it plays (one-hot)")
    add("--steps", type=int, default=default.steps, help="environment steps of each learner; 0: by environment")
    add("--seeds", type=int, default=default.seeds, help="seeds of each method")
    add("--jobs", type=int, default=default.jobs, help="learners that train at the same time")
    by_family = argparse.SUPPRESS  # stays away from the settings when it is not given
    add("--envs", type=int, default=by_family, help="environments of each learner; by environment if not given")
    add("--eval-episodes", type=int, default=by_family, help="of the last evaluation; by environment if not given")
    add("--set", nargs="+", metavar="NAME=VALUE", default=[],
        help="of the learners; Spaceworld's: " + ", ".join(f"{k}={getattr(default, k)}" for k in TUNABLE))  # fmt: skip
    add("--out", default=default.out, help="folder of the run; default runs/<env>-<algo>-<time>")
    add(
        "--resume",
        metavar="FOLDER",
        default=None,
        help="go on with an interrupted run; of the other options only --max-calls, --max-cost and --prices count",
    )
    given = vars(p.parse_args(argv))
    resume = given.pop("resume")
    immediate = given.pop("delivery") == "immediate"
    paid = ["student" if immediate and method == "mca" else method for method in given["method"]]
    if immediate and (other := [m for m in paid if METHODS[m].asks and METHODS[m].student is None]):
        p.error(f"--delivery immediate pays by a student's credit, which {' and '.join(other)} cannot use")
    given["method"] = tuple(dict.fromkeys(paid))
    given["prices"] = given["prices"] and tuple(given["prices"])
    try:
        _, scenario = check_world(given["env"])
    except (ValueError, ImportError) as error:
        p.error(str(error))
    family = family_of(given["env"])
    try:
        given |= tuned(given.pop("set"))
    except ValueError as error:
        p.error(str(error))
    settings = replace(default, **{**family.settings, **given})
    if settings.action_mask != default.action_mask and not family.masks:
        p.error(f"--action-mask {settings.action_mask} is for Spaceworld; {settings.env} has masks of its own")
    if settings.agent_id and settings.policy != "shared":
        p.error("--agent-id is for --policy shared; networks of their own belong to one agent each")
    if settings.labels < 2:
        p.error(f"--labels is {settings.labels}; a student needs at least 2")
    for name in ("seeds", "jobs", "envs", "eval_episodes", "episodes_per_query", "in_flight"):
        if getattr(settings, name) < 1:
            p.error(f"--{name.replace('_', '-')} is {getattr(settings, name)}; it must be at least 1")
    if settings.prices is not None and not 2 <= len(settings.prices) <= 3:
        p.error(f"--prices takes two or three numbers, got {len(settings.prices)}")
    if resume is None:
        _check_critic(p, settings)
    if settings.steps < 0:
        p.error(f"--steps is {settings.steps}; it must be 0 or more")
    if not settings.steps:
        settings = replace(settings, steps=family.steps.get(scenario, family.other_steps))
    return settings, resume


def _check_critic(p: argparse.ArgumentParser, settings: Settings) -> None:
    """Refuses options of one critic with another."""
    model = settings.critic in ("anthropic", "openai")
    if not model and (settings.model or settings.base_url):
        p.error(f"--model and --base-url are for --critic anthropic or openai; {settings.critic} asks no model")
    if settings.critic == "openai" and not settings.model:
        p.error("--critic openai needs --model")
    if (settings.critic == "recorded") != (settings.replay is not None):
        p.error("--critic recorded and --replay FOLDER belong together")
    if not model and (settings.max_calls is not None or settings.max_cost is not None):
        p.error(f"--max-calls and --max-cost are for --critic anthropic or openai; the {settings.critic} one is free")
    if settings.max_cost is not None and settings.prices is None:
        p.error("--max-cost needs --prices")
