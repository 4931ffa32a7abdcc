"""What a value function is, those that an environment brings, and how states are told apart."""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np

from credit_wrappers.core.errors import CreditError

GROUP = "credit_wrappers.values"  # of entry points
VALUE_NAMES = ("time", "work")


@dataclass(frozen=True, eq=False)
class Values:
    """Values of K states.

    Attributes:
        mean: (K,) float64; higher is better.
        error: (K,) float64, standard errors; 0 where a value is exact, NaN where it is an estimate of unknown error.
        samples: (K, R) float64, whose means the values are, where sample r of all states was drawn with common random
            numbers: then the error of a difference is that of the differences of the samples. Else None.
    """

    mean: np.ndarray
    error: np.ndarray
    samples: np.ndarray | None = None


def values_fault(values: Any, count: int) -> str:
    """Return why this is not what is known of so many states; "" if it is."""
    if not (hasattr(values, "mean") and hasattr(values, "error")):
        return f"it returned {type(values).__name__}"
    for name in ("mean", "error"):
        array = getattr(values, name)
        if not isinstance(array, np.ndarray):
            return f"{name} is a {type(array).__name__}"
        if array.shape != (count,):
            return f"{name} has shape {array.shape}, and there are {count} states"
    samples = getattr(values, "samples", None)  # others' values may not have it
    if samples is None:
        return ""
    if np.ndim(samples) != 2 or len(samples) != count or np.shape(samples)[1] < 2:
        return f"samples have shape {np.shape(samples)}, and there are {count} states, each with two samples or more"
    same = np.allclose(np.mean(samples, axis=1), values.mean, equal_nan=True)
    return "" if same else "the samples' means are not the values"


class ValueFunction(Protocol):
    """Everything that says how good states are.

    Attributes:
        unit: What is counted: "steps", "actions" or "reward".
        counts_reward: Whether a step is worth its reward + `discount` (default 1) * the next state's value; else it is
            worth the next state's value alone, such as minus the steps to go.
    """

    @property
    def unit(self) -> str:
        """What is counted."""
        ...

    @property
    def counts_reward(self) -> bool:
        """Whether the step's own reward is added to the next state's value."""
        ...

    def values(self, states: Sequence[Any]) -> Values:
        """Return the values of K states; 0 for one that the world ended.

        A state that cannot be valued raises `StateError`, or any ValueError with an attribute `index`; a value that is
        not finite means that the goal cannot be reached.
        """
        ...


@dataclass(frozen=True)
class WayToGo:
    """What the exact value functions share that count the way to a world's goal.

    Attributes:
        kind: "time": minus the fewest joint steps; "work": minus the fewest actions other than the default.

    Raises:
        ValueError: There is no such kind.
    """

    kind: str
    counts_reward = False

    def __post_init__(self) -> None:
        if self.kind not in VALUE_NAMES:
            raise ValueError(f"unknown value function {self.kind!r}; valid: {', '.join(map(repr, VALUE_NAMES))}")

    @property
    def unit(self) -> str:
        """What is counted."""
        return "steps" if self.kind == "time" else "actions"


def check_value_name(name: object) -> None:
    """Raise ValueError unless this is the name of a value function."""
    if name not in VALUE_NAMES:
        raise ValueError(
            f"unknown value {name!r}; valid: {', '.join(map(repr, VALUE_NAMES))}, or a value function such as "
            "RolloutValue(...) or TabularValue(...)"
        )


def named_value(env: Any, kind: str) -> ValueFunction:
    """Return a value function that an environment brings.

    Args:
        env: A PettingZoo ParallelEnv; wrappers are passed through. It has a method `value_function(kind)`, or a
            function `(env, kind)` is registered in the entry-point group `credit_wrappers.values`, under the name that
            the environment's metadata give.
        kind: "time": minus the fewest joint steps until the goal is reached; "work": minus the fewest actions of
            agents other than the default until then.

    Raises:
        ValueError: There is no such kind.
        CreditError: The environment brings no value functions, or not for a world of this size.
    """
    check_value_name(kind)
    bare = env.unwrapped
    make = getattr(bare, "value_function", None)
    metadata = getattr(bare, "metadata", None) or {}
    registered = entry_points(group=GROUP, name=str(metadata.get("name", ""))) if make is None else ()
    for entry in registered:
        make = partial(entry.load(), bare)
    if make is None:
        raise CreditError(
            f"{type(env.unwrapped).__name__} has no value function {kind!r} of its own. Add a method "
            "value_function(kind), or register one as an entry point of credit_wrappers.values; in Python, "
            "CounterfactualCritic(..., value=TabularValue(...)) serves a small world, value=RolloutValue(...) any"
        )
    try:
        found: ValueFunction = make(kind)
    except ValueError as error:
        raise CreditError(f"{type(env.unwrapped).__name__}.value_function({kind!r}): {error}") from error
    return found


def state_key(state: Any) -> Hashable:
    """Return something hashable that is equal for equal states and differs for different ones.

    Dataclasses, mappings, sequences and arrays count by what they hold; other values must be hashable, or their
    pickles are compared.
    """
    if state is None or isinstance(state, str | bytes | int | float):
        return state
    if isinstance(state, list | tuple):
        try:
            hash(found := tuple(state))  # usually numbers all the way down
            return found
        except TypeError:
            return tuple(map(state_key, state))
    if isinstance(state, np.ndarray) and state.dtype != object:
        return state.dtype.str, state.shape, state.tobytes()
    if isinstance(state, Mapping):
        return frozenset((key, state_key(value)) for key, value in state.items())
    if is_dataclass(state) and not isinstance(state, type):
        return type(state), *(state_key(getattr(state, field.name)) for field in fields(state))
    if type(state).__eq__ is object.__eq__:  # equal objects may be two
        return pickle.dumps(state)
    try:
        hash(state)
    except TypeError:
        return pickle.dumps(state)
    return state
