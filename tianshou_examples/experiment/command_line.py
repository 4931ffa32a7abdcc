"""The command line of `train.py`, built from the fields of `Settings`."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

from tianshou_examples.experiment.env_families import FAMILIES, FAST, family_of, fast_settings
from tianshou_examples.experiment.environments import check_environment, reward_wrapper
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import ANSWERS, OWN_CRITICS, Settings, critics, learner_name, providers

LEARNER = {f.name: f for f in fields(Settings) if "set" in f.metadata}  # settings for --set
# A replay need not share these with its run: who answers, within which limits, where to, and how it is evaluated.
UNSHARED = ("critic", "model", "base_url", "replay", "max_calls", "max_cost", "prices", "in_flight", "jobs", "out",
            "data_sets", "eval_episodes", "evaluations", "recent")  # fmt: skip
LIMITS = ("max_calls", "max_cost", "prices")  # a run that goes on may have others than before


class OneLineParser(ArgumentParser):
    """A parser whose errors are one line; the usage, which is a page, is shown by --help."""

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        self.exit(2, f"{self.prog}: error: {message} (--help lists all options)\n")


class _Help(ArgumentDefaultsHelpFormatter):
    """Shows defaults, where there is one."""

    def _get_help_string(self, action: Action) -> str | None:
        default = action.default
        if isinstance(default, tuple):
            return f"{action.help} (default: {' '.join(map(str, default))})"
        there = default not in (None, "", []) and default is not False
        return super()._get_help_string(action) if there else action.help


def parse(argv: list[str] | None = None, kind: type[ArgumentParser] = OneLineParser) -> tuple[Settings, str | None]:
    """Read the command line; return the settings and the folder to resume, if any.

    Args:
        argv: The arguments; None: those of this process.
        kind: Of the parser, whose `error` says what becomes of wrong arguments.

    Raises:
        SystemExit: With code 2 and one line that names the valid values.
    """
    parser = _parser(kind)
    given = vars(parser.parse_args(argv))
    try:
        recorded: Settings | None = None
        own: tuple[str, ...] = ()
        if given["resume"] is not None:
            recorded = _recorded("resume", given["resume"])
        elif given["critic"] == "recorded" and given["replay"]:
            recorded, own = _recorded("replay", given["replay"]), UNSHARED
        if recorded is not None:
            parser.set_defaults(**{f.name: getattr(recorded, f.name) for f in fields(Settings)
                                   if f.name not in (*LEARNER, *own)})  # fmt: skip
            given = vars(parser.parse_args(argv))
        resume = given.pop("resume")
        settings = _settings(given, recorded)
        if resume is not None and recorded is not None:
            _check_same(f"--resume {resume}", settings, recorded, LIMITS)
            return settings, resume
        if recorded is not None:
            _check_same(f"--replay {settings.replay}", settings, recorded, (*UNSHARED, "method", "seeds"))
            _check_answers(settings, recorded)
        _check_critic(settings)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    return settings, resume


def _parser(kind: type[ArgumentParser]) -> ArgumentParser:
    parser = kind(
        prog="python -m tianshou_examples.train",
        description="Train teams on a critic's credit, side by side with teams on the shared reward.",
        formatter_class=_Help,
    )
    for f in fields(Settings):
        if "help" not in f.metadata:
            continue
        keywords = {"default": f.default, **f.metadata}
        if f.name in FAST or any(f.name in family.settings for family in FAMILIES.values()):
            keywords |= {"default": SUPPRESS, "help": f"{f.metadata['help']}; by environment and loop if not given"}
        if f.name == "critic":  # other packages may register some
            keywords["type"] = _critic
        parser.add_argument(f"--{f.name.replace('_', '-')}", **keywords)
    parser.add_argument(
        "--delivery",
        default="deferred",
        choices=("deferred", "immediate"),
        help="of the method mca: deferred pays when the critic has read the episode; immediate pays in each step, by a "
        "student of the critic (and trains the method student instead)",
    )
    defaults = ", ".join(f"{name}={f.default}" for name, f in LEARNER.items())
    parser.add_argument(
        "--set", nargs="+", metavar="NAME=VALUE", default=[], help=f"learner settings; Spaceworld's are {defaults}"
    )
    parser.add_argument(
        "--resume",
        metavar="FOLDER",
        help="go on with an interrupted run; of the other options only --max-calls, --max-cost and --prices may differ "
        "from the run's",
    )
    return parser


def _critic(word: str) -> str:
    """Return the name of a critic; raise ArgumentTypeError where there is none."""
    if word not in critics() and not (word.startswith(ANSWERS) and word != ANSWERS):
        raise ArgumentTypeError(f"unknown critic {word!r}; valid: {', '.join(critics())}, {ANSWERS}DATASET")
    return word


def _recorded(option: str, folder: str) -> Settings:
    """Return the settings of the run that is repeated or goes on."""
    try:
        settings = Settings.read(Path(folder))
    except ValueError as error:
        raise ValueError(f"--{option} {error}") from None
    if settings.benchmarl:
        raise ValueError(f"--{option} {folder}: BenchMARL trained that run, in a study; run the study again instead")
    return settings


def _check_same(given: str, settings: Settings, recorded: Settings, own: Collection[str]) -> None:
    """Raise a ValueError where settings other than `own` differ from those of the run that is repeated or goes on."""
    for f in fields(Settings):
        ours, theirs = (_told(getattr(each, f.name)) for each in (settings, recorded))
        if ours != theirs and f.name not in own:
            option = f"--set {f.name}=" if f.name in LEARNER else f"--{f.name.replace('_', '-')} "
            raise ValueError(
                f"{given}: that run had {option}{theirs}, not {ours}; leave the option out, since the settings of that "
                "run are taken"
            )


def _told(value: Any) -> str:
    """Return a value as it is written on the command line."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _check_answers(settings: Settings, recorded: Settings) -> None:
    """Raise a ValueError where a learner would need answers that the recorded run did not get."""
    for method, seed in settings.learners:
        if METHODS[method].asks and (method, seed) not in recorded.learners:
            there = ", ".join(learner_name(*learner) for learner in recorded.learners)
            raise ValueError(
                f"--replay {settings.replay}: that run had {there}, so there are no answers for "
                f"{learner_name(method, seed)}; leave --method and --seeds out, or ask for fewer"
            )


def _settings(given: dict[str, Any], recorded: Settings | None) -> Settings:
    """Return the settings that were given, over those of the recorded run or of the environment's family."""
    immediate = given.pop("delivery") == "immediate"
    methods = ["student" if immediate and method == "mca" else method for method in given["method"]]
    if immediate and (other := [m for m in methods if METHODS[m].asks and METHODS[m].student is None]):
        raise ValueError(f"--delivery immediate pays by a student's credit, which {' and '.join(other)} cannot use")
    given["method"] = tuple(dict.fromkeys(methods))
    given["prices"] = given["prices"] and tuple(given["prices"])
    given |= learner_settings(given.pop("set"))
    scenario, family = check_environment(given["env"]), family_of(given["env"])
    if recorded is None:
        fast = fast_settings(scenario) if given["loop"] == "fast" and family.masks else {}
        steps = given.pop("steps") or fast.pop("steps", 0)
        settings = replace(Settings(), **{**family.settings, **fast, **given, "steps": steps})
    else:
        settings = replace(recorded, **given)
    reward_wrapper(settings.reward)
    if settings.critic == "recorded" and settings.loop == "fast":
        raise ValueError(
            f"--replay {settings.replay}: that run had --loop fast, whose critic wrote no answers while it trained; "
            "train it again with --loop fast"
        )
    if settings.sharp and settings.loop != "fast":
        raise ValueError(f"--set sharp={settings.sharp} is for --loop fast")
    if settings.max_idle and not family.masks:
        raise ValueError(f"--set max_idle={settings.max_idle} is for Spaceworld, where modules dock")
    if settings.cost_growth and not settings.cost_price:
        raise ValueError("--set cost_growth is over which share of the training a price grows; give cost_price, too")
    if settings.gamma_start and not settings.gamma_growth:
        raise ValueError("--set gamma_start is where gamma begins to grow; give gamma_growth, too")
    if settings.action_mask != Settings.action_mask and not family.masks:
        raise ValueError(f"--action-mask {settings.action_mask} is for Spaceworld; {settings.env} has its own masks")
    if settings.coins and family.masks:
        raise ValueError(f"--coins {settings.coins}: Spaceworld's --network egocentric tosses its own coins")
    if replace(settings, coins=0).world_options != Settings().world_options and not family.masks:
        raise ValueError(f"--sight and --roles-told are for Spaceworld, not for {settings.env}")
    if settings.agent_id and settings.policy != "shared":
        raise ValueError("--agent-id is for --policy shared; otherwise each agent has its own network")
    averaged = [method for method in settings.method if METHODS[method].counterfactual]
    if averaged and (not settings.on_policy or settings.policy != "shared"):
        raise ValueError(f"--method {' and '.join(averaged)} needs --algo ppo and --policy shared")
    if settings.prices is not None and not 2 <= len(settings.prices) <= 3:
        raise ValueError(f"--prices takes two or three numbers, got {len(settings.prices)}")
    if settings.steps or recorded is not None:
        return settings
    return replace(settings, steps=family.steps.get(scenario, family.other_steps))


def learner_settings(given: list[str]) -> dict[str, int | float]:
    """Return the settings that `--set` names, such as `["hidden=256", "gamma=0.99"]`.

    Raises:
        ValueError: An unknown name or a wrong value; the message says what is valid.
    """
    values: dict[str, int | float] = {}
    for pair in given:
        name, _, text = pair.partition("=")
        if name not in LEARNER:
            raise ValueError(f"--set {pair}: give NAME=VALUE, with one of {', '.join(LEARNER)}")
        try:
            values[name] = LEARNER[name].metadata["set"](text)
        except ArgumentTypeError as error:
            raise ValueError(f"--set {pair}: {error}") from None
        except ValueError:
            kind = "a whole" if isinstance(LEARNER[name].default, int) else "a"
            raise ValueError(f"--set {pair}: {name} is {kind} number") from None
    return values


def _check_critic(settings: Settings) -> None:
    """Raise a ValueError where options of one critic are given with another."""
    critic, asks_model, models = settings.critic, settings.critic in providers(), " or ".join(providers())
    if not asks_model:
        if settings.model or settings.base_url:
            raise ValueError(f"--model and --base-url are for --critic {models}; {critic} asks no model")
        if settings.max_calls is not None or settings.max_cost is not None:
            raise ValueError(f"--max-calls and --max-cost are for --critic {models}; the {critic} one is free")
        tasked = [method for method in settings.method if METHODS[method].tasks]
        if critic not in OWN_CRITICS and tasked:
            raise ValueError(f"--method {tasked[0]} needs a critic that names tasks; {critic} assigns credit only")
    if settings.answers_name and (students := [m for m in settings.method if METHODS[m].student is not None]):
        raise ValueError(
            f"--critic {critic} is a student already; {' and '.join(students)} would learn from it once more: "
            "use --method mca"
        )
    if settings.refit and not settings.answers_name:
        raise ValueError(f"--refit is for --critic answers:NAME; {critic} is no student of recorded labels")
    if critic == "openai" and not settings.model:
        raise ValueError("--critic openai needs --model")
    if (critic == "recorded") != (settings.replay is not None):
        raise ValueError("--critic recorded and --replay FOLDER belong together")
    if settings.max_cost is not None and settings.prices is None:
        raise ValueError("--max-cost needs --prices")
