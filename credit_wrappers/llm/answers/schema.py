"""The fields of an answer in JSON: one set of types gives the schema of the request and checks the answer."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, NotRequired, cast, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema, with_config
from typing_extensions import TypedDict

from credit_wrappers.llm.answers.problems import Problems
from credit_wrappers.llm.client import AnswerForm

# Structured output needs a closed schema; the check ignores further fields. Strict: true is no number, 3.0 no step.
_CONFIG = ConfigDict(allow_inf_nan=False, strict=True, json_schema_extra={"additionalProperties": False})

_Agent = Annotated[str, Field(description="name of the agent, as in the episode")]
_Number = Annotated[int, Field(description="number of the episode")]


# Dicts and not models: an answer holds hundreds of events, and dicts are checked in half the time.
class _Span(TypedDict):
    agent: _Agent
    start: Annotated[int, Field(description="first step")]
    stop: Annotated[int, Field(description="one past the last step")]
    amount: Annotated[float, Field(description="credit for the whole span; negative for blame")]


@with_config(_CONFIG)
class EventAnswer(_Span):
    """One thing an agent did."""

    why: Annotated[str, Field(description="reason, one short sentence")]


@with_config(_CONFIG)
class EpisodeAnswer(TypedDict):
    """The judgement of one episode."""

    episode: _Number
    summary: Annotated[str, Field(description="what happened, and what would have been better")]
    events: list[EventAnswer]


_First = Annotated[int, Field(description="first step")]
_Last = Annotated[int, Field(description="last step, which belongs to the span")]
_Task = Annotated[str, Field(description="one task of the list, in the same words")]
_Why = Annotated[str, Field(description="reason, one short sentence")]

# Not classes: `from` is no name for a field of one.
TaskSpanAnswer = TypedDict("TaskSpanAnswer", {"agent": _Agent, "from": _First, "to": _Last, "task": _Task, "why": _Why})
TaskSpanAnswer.__doc__ = "The task that one agent should have had during some steps."
BriefTaskSpan = TypedDict(
    "BriefTaskSpan", {"agent": _Agent, "from": _First, "to": _Last, "task": _Task, "why": NotRequired[str]}
)
BriefTaskSpan.__doc__ = "The task that one agent should have had during some steps, the reason not asked for."
for _span in (TaskSpanAnswer, BriefTaskSpan):
    with_config(_CONFIG)(_span)


@with_config(_CONFIG)
class TaskedEpisode(EpisodeAnswer):
    """The judgement of one episode, and which task each agent should have had when."""

    tasks: list[TaskSpanAnswer]


@with_config(_CONFIG)
class BriefEvent(_Span):
    """One thing an agent did, its reason not asked for."""

    why: NotRequired[str]


@with_config(_CONFIG)
class BriefEpisode(TypedDict):
    """The judgement of one episode, without words."""

    episode: _Number
    summary: NotRequired[str]
    events: list[BriefEvent]


@with_config(_CONFIG)
class BriefTaskedEpisode(BriefEpisode):
    """The judgement of one episode, without words, and which task each agent should have had when."""

    tasks: list[BriefTaskSpan]


# A point of a curve is a list of two or three numbers. Structured output knows no pairs: `answers.curve` counts.
_Figure = Annotated[int | float, Field(union_mode="left_to_right"), WithJsonSchema({"type": "number"})]
_Start = Annotated[float, Field(description="steps left before step 0")]
_Left = Annotated[
    list[list[_Figure]], Field(description="ends of runs: [step, steps left after it], or with a new count behind")
]
_Step = Annotated[int, Field(description="the step")]
_Saved = Annotated[float, Field(description="steps saved; negative for a fault")]


@with_config(_CONFIG)
class CurveExtra(TypedDict):
    """What one agent did in one step that its steps left do not show."""

    step: _Step
    amount: _Saved
    why: Annotated[str, Field(description="reason, one short sentence")]


@with_config(_CONFIG)
class BriefExtra(TypedDict):
    """What one agent did in one step that its steps left do not show, the reason not asked for."""

    step: _Step
    amount: _Saved
    why: NotRequired[str]


@with_config(_CONFIG)
class CurveReason(TypedDict):
    """Why a curve runs as it does at a step."""

    step: _Step
    why: Annotated[str, Field(description="reason, one short sentence")]


@with_config(_CONFIG)
class CurveAnswer(TypedDict):
    """The steps that one agent still had to do, by turning points."""

    agent: _Agent
    start: _Start
    left: _Left
    extra: list[CurveExtra]
    reasons: list[CurveReason]


@with_config(_CONFIG)
class BriefCurve(TypedDict):
    """The steps that one agent still had to do, by turning points, without words."""

    agent: _Agent
    start: _Start
    left: _Left
    extra: list[BriefExtra]


@with_config(_CONFIG)
class CurveEpisode(TypedDict):
    """The judgement of one episode by the agents' curves."""

    episode: _Number
    summary: Annotated[str, Field(description="what happened, and what would have been better")]
    curves: list[CurveAnswer]


@with_config(_CONFIG)
class TaskedCurves(CurveEpisode):
    """The judgement of one episode by the agents' curves, and which task each agent should have had when."""

    tasks: list[TaskSpanAnswer]


@with_config(_CONFIG)
class BriefCurves(TypedDict):
    """The judgement of one episode by the agents' curves, without words."""

    episode: _Number
    summary: NotRequired[str]
    curves: list[BriefCurve]


@with_config(_CONFIG)
class BriefTaskedCurves(BriefCurves):
    """The judgement of one episode by curves, without words, and which task each agent should have had when."""

    tasks: list[BriefTaskSpan]


def _adapter(name: str, tail: str, episode: type) -> TypeAdapter[Any]:
    """Return what checks a whole answer and gives its schema, in which the name and the docstring appear."""
    answer: Any = TypedDict(name, {"episodes": list[episode]})  # type: ignore[misc, valid-type]
    answer.__doc__ = f"The judgement of all episodes of a query{tail}."
    return TypeAdapter(with_config(_CONFIG)(answer))


_ADAPTERS: dict[tuple[AnswerForm, bool, bool], TypeAdapter[Any]] = {  # by: form, reasons asked for, tasks asked for
    ("events", True, False): _adapter("Answer", "", EpisodeAnswer),
    ("events", True, True): _adapter("TaskedAnswer", ", with tasks", TaskedEpisode),
    ("events", False, False): _adapter("BriefAnswer", ", without words", BriefEpisode),
    ("events", False, True): _adapter("BriefTaskedAnswer", ", without words, with tasks", BriefTaskedEpisode),
    ("curve", True, False): _adapter("CurvesAnswer", ", by curves", CurveEpisode),
    ("curve", True, True): _adapter("TaskedCurvesAnswer", ", by curves, with tasks", TaskedCurves),
    ("curve", False, False): _adapter("BriefCurvesAnswer", ", by curves, without words", BriefCurves),
    ("curve", False, True): _adapter("BriefTaskedCurvesAnswer", ", by curves, with tasks", BriefTaskedCurves),
}


def tasks_listed(schema: dict[str, Any]) -> list[str]:
    """Return the tasks of which a schema wants spans; none if it asks for none, or for tasks in an earlier form."""
    nodes = (schema.get("$defs", {}).get(name, {}) for name in ("TaskSpanAnswer", "BriefTaskSpan"))
    return [task for node in nodes for task in node.get("properties", {}).get("task", {}).get("enum", ())]


@cache
def answer_schema(
    form: AnswerForm = "events", explain: bool = True, tasks: tuple[str, ...] = ()
) -> dict[str, Any] | None:
    """Return the JSON schema of an answer, or None for a form that is free text; see `render_system`."""
    check_form(form)
    if form == "arrays":
        return None
    schema = _ADAPTERS[form, explain, bool(tasks)].json_schema()
    for node in (schema, *schema["$defs"].values()):  # fields that are not required are not asked for
        node["properties"] = {name: node["properties"][name] for name in node["required"]}
    if tasks:
        schema["$defs"]["TaskSpanAnswer" if explain else "BriefTaskSpan"]["properties"]["task"]["enum"] = list(tasks)
    return schema


def check_form(form: str) -> None:
    """Raise ValueError unless there is such a form of answers."""
    if form not in get_args(AnswerForm):
        raise ValueError(f"unknown form {form!r}; valid: {', '.join(map(repr, get_args(AnswerForm)))}")


def checked(value: object, explain: bool, tasks: bool) -> list[EpisodeAnswer]:
    """Return the judgements in decoded JSON of the form `events`; see `validated`."""
    judgements = cast(list[EpisodeAnswer], validated(value, "events", explain, tasks))
    if not explain:
        for judged in judgements:
            judged.setdefault("summary", "")
            for event in judged["events"]:
                event.setdefault("why", "")
            _complete_tasks(judged)
    return judgements


def checked_curves(value: object, explain: bool, tasks: bool) -> list[CurveEpisode]:
    """Return the judgements in decoded JSON of the form `curve`; see `validated`."""
    judgements = cast(list[CurveEpisode], validated(value, "curve", explain, tasks))
    if not explain:
        for judged in judgements:
            judged.setdefault("summary", "")
            for curve in judged["curves"]:
                curve.setdefault("reasons", [])
                for extra in curve["extra"]:
                    extra.setdefault("why", "")
            _complete_tasks(judged)
    return judgements


def _complete_tasks(judged: Any) -> None:
    for span in judged.get("tasks", ()):
        span.setdefault("why", "")


def validated(value: object, form: AnswerForm, explain: bool, tasks: bool) -> list[Any]:
    """Return the episodes of decoded JSON, if all fields are there and of the right type.

    Raises:
        AnswerError: With kind "schema"; it names the fields that are missing or wrong.
    """
    try:
        episodes: list[Any] = _ADAPTERS[form, explain, tasks].validate_python(value)["episodes"]
    except ValidationError as error:
        problems = Problems("schema")
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])
            problems.add(f"{place.lstrip('.') or 'answer'}: {item['msg']}")
        raise problems.error() from error
    return episodes
