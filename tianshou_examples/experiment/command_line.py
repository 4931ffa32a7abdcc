"""The command line of `train.py`, built from the fields of `Settings`."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from dataclasses import fields, replace
from typing import Any

from tianshou_examples.experiment.env_families import FAMILIES, family_of
from tianshou_examples.experiment.environments import check_environment
from tianshou_examples.experiment.methods import METHODS
from tianshou_examples.experiment.settings import OWN_CRITICS, Settings, critics, providers

LEARNER = {f.name: f for f in fields(Settings) if "set" in f.metadata}  # settings for --set


def parse(argv: list[str] | None = None) -> tuple[Settings, str | None]:
    """Read the command line; return the settings and the folder to resume, if any.

    Raises:
        SystemExit: With code 2 and one line that names the valid values.
    """
    parser = ArgumentParser(
        prog="python -m tianshou_examples.train",
        description="Train teams on a critic's credit, side by side with teams on the shared reward.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    for f in fields(Settings):
        if f.name in LEARNER:
            continue
        keywords = {"default": f.default, **f.metadata}
        if any(f.name in family.settings for family in FAMILIES.values()):
            keywords |= {"default": SUPPRESS, "help": f"{f.metadata['help']}; by environment if not given"}
        if f.name == "critic":  # other packages may register some
            keywords["choices"] = critics()
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
        help="go on with an interrupted run; of the other options only --max-calls, --max-cost and --prices count",
    )
    given = vars(parser.parse_args(argv))
    resume = given.pop("resume")
    try:
        settings = _settings(given)
        if resume is None:
            _check_critic(settings)
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    return settings, resume


def _settings(given: dict[str, Any]) -> Settings:
    """Return the settings that were given, over those of the environment's family."""
    immediate = given.pop("delivery") == "immediate"
    methods = ["student" if immediate and method == "mca" else method for method in given["method"]]
    if immediate and (other := [m for m in methods if METHODS[m].asks and METHODS[m].student is None]):
        raise ValueError(f"--delivery immediate pays by a student's credit, which {' and '.join(other)} cannot use")
    given["method"] = tuple(dict.fromkeys(methods))
    given["prices"] = given["prices"] and tuple(given["prices"])
    given |= learner_settings(given.pop("set"))
    scenario, family = check_environment(given["env"]), family_of(given["env"])
    settings = replace(Settings(), **{**family.settings, **given})
    if settings.action_mask != Settings.action_mask and not family.masks:
        raise ValueError(f"--action-mask {settings.action_mask} is for Spaceworld; {settings.env} has its own masks")
    if settings.agent_id and settings.policy != "shared":
        raise ValueError("--agent-id is for --policy shared; otherwise each agent has its own network")
    if settings.prices is not None and not 2 <= len(settings.prices) <= 3:
        raise ValueError(f"--prices takes two or three numbers, got {len(settings.prices)}")
    return settings if settings.steps else replace(settings, steps=family.steps.get(scenario, family.other_steps))


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
        if critic not in OWN_CRITICS and any(METHODS[method].tasks for method in settings.method):
            raise ValueError(f"--method taca needs a critic that names tasks; {critic} assigns credit only")
    if critic == "openai" and not settings.model:
        raise ValueError("--critic openai needs --model")
    if (critic == "recorded") != (settings.replay is not None):
        raise ValueError("--critic recorded and --replay FOLDER belong together")
    if settings.max_cost is not None and settings.prices is None:
        raise ValueError("--max-cost needs --prices")
