"""What a training run is made of: one frozen dataclass, from whose fields the command line is built."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from operator import ge, gt, le
from pathlib import Path
from typing import Any

from credit_wrappers.critics.critic_registry import critic_names
from credit_wrappers.llm.providers.provider_registry import provider_names
from tianshou_examples.experiment.environments import examples
from tianshou_examples.experiment.faults import FAULTS
from tianshou_examples.experiment.methods import METHODS

CONFIG, PAGE = "config.json", "report.html"  # in a run's folder
ON_POLICY = {"ppo": True, "ddqn": False}  # the algorithms: whether one learns from its newest steps only
OWN_CRITICS = ("scripted", *FAULTS, "recorded")  # the others are providers of models, or critics that need none
ANSWERS = "answers:"  # begins the name of a critic that is a student of a data set
PUBLISHED = "claude"  # instead of data sets' names: all published judgements of the run's environment


def providers() -> list[str]:
    """Return the values of `--critic` that are providers of language models."""
    return [name for name in provider_names() if name not in OWN_CRITICS]


def critics() -> list[str]:
    """Return all values of `--critic`."""
    return list(dict.fromkeys([*OWN_CRITICS, *providers(), *critic_names()]))


def number(
    kind: type[int] | type[float], least: float | None = None, above: float | None = None, most: float | None = None
) -> Callable[[str], float]:
    """Return a function by which argparse reads a number that is at least, above, or at most another one."""
    limits = [(least, "at least", ge), (above, "more than", gt), (most, "at most", le)]
    kept = [(limit, words, holds) for limit, words, holds in limits if limit is not None]

    def read(text: str) -> float:
        value = kind(text)
        if not all(holds(value, limit) for limit, _, holds in kept):
            rule = " and ".join(f"{words} {limit:g}" for limit, words, _ in kept)
            raise ArgumentTypeError(f"it is {text}, and must be {rule}")
        return value

    read.__name__ = kind.__name__  # for the message about a text that is no number
    return read


def _option(default: Any, help: str, **keywords: Any) -> Any:
    """Return a field that is an option; the keywords are those of `argparse`."""
    return field(default=default, metadata={"help": help, **keywords})


def _learner(default: float, **limits: float) -> Any:
    """Return a field that `--set NAME=VALUE` sets."""
    return field(default=default, metadata={"set": number(type(default), **{"most": 1e12, **limits})})


@dataclass(frozen=True)
class Settings:
    """One run of `train.py`; also written to `config.json`.

    Each field with a help text is an option of the command line; most others are learner settings, for `--set`.
    """

    env: str = _option(
        "spaceworld:duet",
        f"{', '.join(examples())}, spaceworld:fleet-N, and every other id of the last two libraries",
    )
    action_mask: str = _option(
        "possible",
        "of Spaceworld; safe also forbids flying into what is solid and seen; robots may still collide",
        choices=("possible", "safe"),
    )
    sight: int | None = _option(
        None,
        "of Spaceworld: how many cells all robots see; default: as far as the scenario says",
        type=number(int, 0),
        metavar="CELLS",
    )
    roles_told: str = _option(
        "all",
        "of Spaceworld: whom it is told what each robot can do: robots and critic, the critic alone, or nobody",
        choices=("all", "critic", "nobody"),
    )
    reward: str = _option(
        "own",
        "what the environment pays in the training: own, its own reward; sparse, in the last step alone; "
        "delayed:STEPS; noisy:SCALE (normal noise); every evaluation is on its own reward",
        metavar="KIND",
    )
    method: tuple[str, ...] = _option(
        ("mca", "shared"), "what pays the learners; several are trained side by side", nargs="+", choices=list(METHODS)
    )
    critic: str = _option(
        "scripted",
        "who assigns the credit, for all methods but exact, shared and equal: scripted, recorded, a provider "
        "of models or of another critic, or answers:NAME, a student of a data set of labels (answers:claude: of all "
        "published judgements of the environment by a language model); scripted-noisy and scripted-farmable are faulty "
        "on purpose",
    )
    exact_value: str = _option(
        "work",
        "what the method exact counts: the fewest actions to go, or the fewest steps to go (time)",
        choices=("time", "work"),
    )
    labels: int = _option(
        500,
        "episodes that the critic scores at most for each learner that a student pays, and in which it names the tasks "
        "that a student learns to assign (tasks, taca)",
        type=number(int, 2),
    )
    refit: bool = _option(
        False,
        "with answers:NAME: fit the student anew, also where the package has the one of these data sets",
        action="store_true",
    )
    model: str | None = _option(None, "name of the model")
    base_url: str | None = _option(
        None,
        "a server that speaks the Messages API (anthropic) or OpenAI's chat completions (openai); or the folder with "
        "questions and answers (folder)",
    )
    replay: str | None = _option(
        None, "with --critic recorded: the run that is repeated, with its settings and its answers", metavar="FOLDER"
    )
    max_calls: int | None = _option(None, "most calls for each learner; then it stops, and can be resumed", type=int)
    max_cost: float | None = _option(None, "most money for each learner; needs --prices", type=float)
    prices: tuple[float, ...] | None = _option(
        None,
        "per million tokens: read, written and, if it differs, read from the provider's cache",
        nargs="+",
        type=float,
        metavar="PRICE",
    )
    in_flight: int = _option(8, "queries to the model that are under way at the same time", type=number(int, 1))
    fallback: str = _option("equal", "credit if an answer is unusable twice", choices=("equal", "shared", "raise"))
    episodes_per_query: int = _option(8, "episodes that the critic compares in one query", type=number(int, 1))
    algo: str = _option("ppo", "PPO or double DQN", choices=tuple(ON_POLICY))
    policy: str = _option("shared", "one network for the team, or one per agent", choices=("shared", "per-agent"))
    agent_id: bool = _option(False, "tell the shared network which agent it plays (one-hot)", action="store_true")
    coins: int = _option(
        0,
        "random numbers, the same for all agents and new in each step, behind every observation (Spaceworld's "
        "egocentric network tosses its own)",
        type=number(int, 0),
    )
    loop: str = _option(
        "tianshou",
        "tianshou: Tianshou's collector, buffer and algorithms; fast: PPO in one loop over many Spaceworlds, with the "
        "credit paid inside",
        choices=("tianshou", "fast"),
    )
    network: str = _option(
        "flat",
        "flat: two layers over all numbers of an observation; entities: layers that robots, modules, slots (or food "
        "and players) each share, whatever their order; egocentric: the nearest things first, in a grid turned to what "
        "the robot goes for (Spaceworld)",
        choices=("flat", "entities", "egocentric"),
    )
    steps: int = _option(
        0,
        "environment steps of each learner, at least: the last update is finished; 0: the environment's own number",
        type=number(int, 0),
    )
    seeds: int = _option(1, "seeds of each method", type=number(int, 1))
    jobs: int = _option(2, "learners that train at the same time, each in its own process", type=number(int, 1))
    envs: int = _option(128, "environments of each learner", type=number(int, 1))
    eval_episodes: int = _option(100, "of the last evaluation; those before play a fifth of it", type=number(int, 1))
    out: str = _option("", "folder of the run; default runs/<env>-<algo>-<time>")
    data_sets: tuple[str, ...] = ()  # no option: what answers:NAME stood for when the run began
    benchmarl: str = ""  # no option: algorithm and settings of BenchMARL, which trains a study's learner; "": we do
    absolute: int = 0  # no option: episodes that the best team of all evaluations plays at the end of a study's learner

    # Spaceworld's learner, chosen once on duet with the scripted critic; env_families.py has what differs elsewhere.
    evaluations: int = _learner(8, above=0)  # before the last one
    recent: int = _learner(256, above=0)  # episodes over which the training's return is averaged
    exact_scale: float = _learner(0.1)  # credit of one action or step less to go (exact)
    exact_penalty: float = _learner(1.0, least=0)  # actions or steps that a collision costs its robot's team (exact)
    blend: float = _learner(0.0, least=0, most=1)  # (1 - blend) * credit + blend * team reward is paid
    # what each of its own collisions and violations costs a learner beyond what it is paid, in the same unit
    cost_price: float = _learner(0.0, least=0)
    # share of the training over which that price grows from 0: a beginner who fears collisions learns little else
    cost_growth: float = _learner(0.0, least=0, most=1)
    wean: float = _learner(0.6, above=0, most=1)  # share of the steps over which tasks fade (tasks, taca)
    hidden: int = _learner(128, above=0)
    lr: float = _learner(2e-3, above=0)
    gamma: float = _learner(0.97, least=0, most=1)
    # share of the training over which gamma grows to its value: credit that is right in each step needs no more
    gamma_growth: float = _learner(0.0, least=0, most=1)
    gamma_start: float = _learner(0.0, least=0, most=1)  # from which it grows
    # steps in a row without a dock after which an episode of the training is truncated (Spaceworld); 0: any number
    max_idle: int = _learner(0, least=0)
    # share of the worlds in which the team plays nearly greedily from the beginning, and learns from it (fast loop)
    sharp: float = _learner(0.0, least=0, most=1)
    batch: int = _learner(512, above=0)  # rows of one gradient step
    # PPO
    rollout: int = _learner(0, least=0)  # steps between updates, at least the longest episode's; 0: one episode
    gae_lambda: float = _learner(0.95, least=0, most=1)
    entropy: float = _learner(0.02, least=0)
    # Randomness is rewarded in this share of the training and then penalised, so that the team learns to cope while
    # it is nearly deterministic: greedy robots that choose alike block each other for ever, which a team that only ever
    # acted at random has never seen. The penalty begins early, while the learning rate is large enough.
    entropy_until: float = _learner(0.35, above=0, most=1)
    entropy_debit: float = _learner(0.75, least=0)  # largest penalty, as a share of the entropy coefficient
    clip: float = _learner(0.2, above=0)
    epochs: int = _learner(8, above=0)
    # double DQN
    buffer: int = _learner(400_000, above=0)  # rows
    rows_per_update: int = _learner(128, above=0)
    n_step: int = _learner(3, above=0)
    q_lr: float = _learner(1e-3, above=0)  # instead of lr
    # share of the steps over which epsilon falls from 1 to 0.05; then it falls slowly to 0
    exploration: float = _learner(0.08, above=0, most=1)

    def cost_price_at(self, done: float) -> float:
        """Return the price of a collision when a share of the training is done."""
        return self.cost_price * (min(1.0, done / self.cost_growth) if self.cost_growth else 1.0)

    @property
    def on_policy(self) -> bool:
        """Whether the algorithm learns a policy from its newest steps; else Q values from a replay buffer."""
        return ON_POLICY[self.algo]

    @property
    def world_options(self) -> dict[str, Any]:
        """Options of `environment_maker`."""
        own = {"action_mask": self.action_mask, "sight": self.sight, "roles_told": self.roles_told}
        return {**own, "coins": self.coins} if self.coins else own

    @property
    def idle_option(self) -> dict[str, Any]:
        """Further options of `environment_maker`, for the training alone."""
        return {"max_idle": self.max_idle or None}

    @property
    def learners(self) -> list[tuple[str, int]]:
        """(method, seed) of each learner."""
        return [(method, seed) for seed in range(self.seeds) for method in self.method]

    @property
    def short_evaluation(self) -> int:
        """Episodes of each evaluation before the last one."""
        return max(1, self.eval_episodes // 5)

    @property
    def answers_name(self) -> str:
        """Name or path of the data set whose labels the critic is fitted to; "" for another critic."""
        return self.critic.removeprefix(ANSWERS) if self.critic.startswith(ANSWERS) else ""

    @property
    def shown_learner(self) -> tuple[str, int]:
        """(method, seed) of the learner whose newest credits the run's report shows: one that a critic explains to."""
        return next((x for x in self.learners if METHODS[x[0]].asks or METHODS[x[0]].exact), self.learners[0])

    @property
    def critic_note(self) -> str:
        """What the critic is, for a person who reads the results."""
        if not any(METHODS[method].asks for method in self.method):
            return "no critic is asked"
        if self.critic == "recorded":
            return f"critic: answers recorded in {self.replay}"
        if self.critic in OWN_CRITICS:
            if self.loop == "fast":
                return "critic: the scripted critic's rules, compiled; not an LLM"
            fault = f"; {FAULTS[self.critic].note}, on purpose" if self.critic in FAULTS else ""
            return f"critic: scripted stand-in (rules that read the prompt's text), not an LLM{fault}"
        if self.answers_name:
            if self.answers_name == PUBLISHED:
                return "critic: a student of Claude's published judgements"
            return f"critic: a student of the recorded labels {self.answers_name}"
        if self.critic not in providers():
            return f"critic: {self.critic}, not an LLM"
        name = self.model or ("Anthropic default model" if self.critic == "anthropic" else self.critic)
        return f"critic: {name}" + (f" at {self.base_url}" if self.base_url else "")

    @property
    def no_reasons_note(self) -> str:
        """Why a student's credit has no reasons, and where those of its critic are; "" where no data set is learned."""
        if not self.answers_name:
            return ""
        *others, last = self.data_sets or self.answers_name.split(",")
        named = f"NAME, where NAME is {', '.join(others)} or {last}" if others else last
        return (
            "The student that gave this credit gives no reasons; those of its critic are in the recorded judgements: "
            f"python -m credit_wrappers report {named}"
        )

    def write(self, folder: Path) -> None:
        """Write the settings into a run's folder."""
        (folder / CONFIG).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @staticmethod
    def read(folder: Path) -> Settings:
        """Return the settings of the run in a folder.

        Raises:
            ValueError: There is no run in it; the message says so in one line.
        """
        try:
            values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            given = {f.name: values[f.name] for f in fields(Settings) if f.name in values}
            prices = given.get("prices")
            sets = tuple(given.get("data_sets", ()))
            return replace(
                Settings(**given), method=tuple(given["method"]), prices=prices and tuple(prices), data_sets=sets
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{folder} holds no run: {folder / CONFIG} is missing or damaged") from None


def learner_name(method: str, seed: int) -> str:
    """Return the name of a learner in files and tables."""
    return f"{method}-{seed}"


def checkpoint_of(folder: Path, method: str, seed: int) -> Path:
    """Return the checkpoint file of a learner in the folder of its run."""
    return folder / "checkpoints" / f"{learner_name(method, seed)}.pt"
