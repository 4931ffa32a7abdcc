"""The scripted critic on Spaceworld, through the whole credit path: what it pays, to whom, and no farming."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from credit_wrappers import Credit, CreditStore, CreditWrapper, Deferred, Episode, LLMCritic, Request, ScriptedClient
from credit_wrappers.scripted import spaceworld_potential
from spaceworld import Robot
from spaceworld.env import SpaceworldEnv
from spaceworld.rules import packing as pk
from tests.spaceworld.drawing import draw
from tests.spaceworld.scenarios import ALL, busy_actions

BLAME, DOCK = spaceworld_potential.BLAME / 100, spaceworld_potential.DOCK / 100
VAIN = spaceworld_potential.VAIN / 100


class Keep:
    """A critic that keeps what went through it."""

    label = "kept"

    def __init__(self, **options: Any) -> None:
        self.inner = LLMCritic(ScriptedClient(), bound=1e9, **options)
        self.scored: list[tuple[Episode, Credit]] = []

    def score(self, episodes: Any) -> list[Credit]:
        credits = self.inner.score(episodes)
        self.scored += zip(episodes, credits, strict=True)
        return credits


def play(env: SpaceworldEnv, actions: list[str]) -> Credit:
    """The credit of one drawn episode, its actions given as letters, one string a step; then the robots stay."""
    numbers = {".": 0, "N": 1, "S": 2, "W": 3, "E": 4, "I": 5}
    keep = Keep()
    start = env.get_state()
    wrapped = CreditWrapper(env, Deferred(CreditStore(keep, workers=0)))
    original = env.reset
    env.reset = lambda seed=None, options=None: (
        original(seed=seed),
        env.set_state(start),
        env.observe_all(),
    )[2]  # type: ignore[method-assign, assignment, misc, return-value]
    wrapped.reset(seed=0)
    for step in range(10_000):
        letters = actions[step] if step < len(actions) else "." * env._n
        if not wrapped.agents:
            break
        wrapped.step({a: numbers[x] for a, x in zip(wrapped.agents, letters, strict=True)})
    wrapped.store.settle([0])
    return keep.scored[0][1]


def state_key(env: SpaceworldEnv, moment: Any) -> bytes:
    r, m, t = (int(env._spec[h]) for h in (pk.H_ROBOT, pk.H_MODULE, pk.H_SLOT))
    robots, modules = moment[r:m].reshape(-1, pk.R_WIDTH), moment[m:t].reshape(-1, pk.M_WIDTH)
    return b"".join((robots[:, [pk.R_CELL, pk.R_GRIPS]].tobytes(), modules[:, [pk.M_CELL, pk.M_SLOT]].tobytes()))


def holds(env: SpaceworldEnv, moments: Any) -> list[bytes]:
    """At each moment, the robots that grip in the order in which they took hold; ties are ordered by place."""
    r, m, _ = (int(env._spec[h]) for h in (pk.H_ROBOT, pk.H_MODULE, pk.H_SLOT))
    order: list[int] = []
    orders = []
    for moment in moments:
        robots = moment[r:m].reshape(-1, pk.R_WIDTH)
        gripping = [i for i in range(len(robots)) if robots[i, pk.R_GRIPS] >= 0]
        new = sorted(set(gripping) - set(order), key=lambda i: robots[i, pk.R_CELL])
        order = [i for i in order if i in gripping] + new
        orders.append(bytes(order))
    return orders


def blame(episode: Episode, credit: Credit) -> np.ndarray:
    """What the critic debited for faults, (T, N): checked against the costs, a fault after a fault counting twice."""
    hits, ways = np.zeros(episode.cost.shape), np.zeros(episode.cost.shape)
    for event in credit.events:
        if event.why.startswith(("hits ", "in keep-out", "struck ")):
            hits[event.start, episode.agents.index(event.agent)] -= event.amount
        elif event.why.startswith("stands in the way"):
            ways[event.start, episode.agents.index(event.agent)] -= event.amount
    again = np.zeros_like(hits)
    again[1:] = episode.cost[:-1] > 0
    assert np.allclose(hits, BLAME * episode.cost * (1 + again))
    assert (ways[episode.cost > 0] == 0).all()  # only who does nothing stands in the way
    return hits + ways


@pytest.mark.parametrize("name", ["solo", "duet", "pair", "truss", "tight"])
def test_every_closed_loop_of_states_sums_to_zero_for_every_agent(name: str) -> None:
    loops = 0
    env = tight() if name == "tight" else SpaceworldEnv(ALL[name], max_cycles=400)
    keep = Keep()
    wrapped = CreditWrapper(env, Deferred(CreditStore(keep, workers=0, episodes_per_query=4)))
    wrapped.reset(seed=1)
    rng = np.random.default_rng(2)
    for _ in range(4 * 400):
        if not wrapped.agents:
            wrapped.reset()
        wrapped.step(dict(zip(wrapped.agents, busy_actions(env, rng), strict=True)))
    wrapped.store.settle([e for e in range(10)])
    for episode, credit in keep.scored:
        # what stands outside the potential is taken out: blame for each fault, and steps with a dock
        values = credit.values.astype(np.float64) + blame(episode, credit)
        order = holds(env, episode.moments)
        seen: dict[bytes, int] = {}
        for t, moment in enumerate(episode.moments):
            key = state_key(env, moment) + order[t]
            if key in seen:
                total = values[seen[key] : t].sum(axis=0)
                assert np.abs(total).max() < 1e-4, (seen[key], t, total)
                loops += 1
            seen[key] = t
    assert loops > 50


def tight() -> SpaceworldEnv:
    """A crowded world in which grips, partners and drifting modules change all potentials all the time."""
    return draw("""
        0.A.1
        .....
        ..#..
        B...2
        .....
    """, mass={"A": 2, "B": 1}, horizon=400)  # fmt: skip


def test_the_walk_to_a_module_is_one_event_with_equal_steps() -> None:
    env = draw("""
        0.....
        ......
        ...#..
        ....A.
        .a....
    """, on={}, horizon=6)  # fmt: skip
    credit = play(env, ["S", "S", "S"])
    events = [e for e in credit.events if e.agent == "robot_0"]
    assert len(events) == 1 and (events[0].start, events[0].stop) == (0, 3)
    assert np.allclose(credit.values[:, 0], [0.1, 0.1, 0.1, 0, 0, 0])
    assert "nearer" in events[0].why


def test_an_idle_robot_earns_nothing_from_what_its_partner_carries() -> None:
    env = draw("""
        ......
        .0A..a
        ......
        1..#..
        ......
    """, horizon=8)  # fmt: skip
    credit = play(env, ["I.", "E.", "E.", "E.", "I."])
    # carried east with the robot behind it: grip, three steps, dock
    assert np.allclose(credit.values[1:4, 0], 0.2) and credit.values[4, 0] == pytest.approx(DOCK)
    assert credit.values[0, 0] == pytest.approx(0.3)
    assert np.allclose(credit.values[1:, 1], 0.0)


def test_everyone_who_held_the_module_is_paid_for_the_dock_and_nobody_else() -> None:
    env = draw("""
        ......
        .0A1.2
        ......
        ...#..
    """, mass={"A": 2}, grips={0: "A", 1: "A"}, on={"A": "a"}, horizon=8)  # fmt: skip
    credit = play(env, ["I.."])
    assert credit.values[0].tolist() == pytest.approx([DOCK, DOCK, 0.0])
    assert credit.source == "scripted"


def test_a_robot_that_crowds_in_on_a_light_module_loses() -> None:
    env = draw("""
        ......
        .0A1..
        ......
        B..#.b
        ......
    """, mass={"A": 1, "B": 2}, on={"A": "a"}, horizon=4)  # fmt: skip
    credit = play(env, ["I.", ".I", "I."])
    assert credit.values[2, 0] == pytest.approx(DOCK)
    assert credit.values[1:, 1].tolist() == pytest.approx([-0.3, 0.0, 0.0])  # for its grip; nothing for the dock
    assert any("others can carry alone" in e.why for e in credit.events)


def test_a_robot_that_crowds_in_is_needed_once_the_first_one_lets_go() -> None:
    env = draw("""
        ......
        .0A1a.
        ......
        ...#..
    """, mass={"A": 1}, on={}, horizon=4)  # fmt: skip
    credit = play(env, ["I.", ".I", "I."])
    # robot_0 gives back its grip and idles; robot_1 had idled beside the slot and gripped in vain: now its grip counts
    assert credit.values[2].tolist() == pytest.approx([-0.6, 1.1])
    (event,) = [e for e in credit.events if (e.agent, e.start) == ("robot_1", 2)]
    assert event.why == "is needed to carry module_0 now that another robot let go"


def test_a_free_robot_that_goes_on_standing_in_a_carriers_way_is_blamed_too() -> None:
    env = draw("""
        ......
        A01..a
        ......
        ...#..
    """, mass={"A": 1}, grips={0: "A"}, on={}, horizon=5)  # fmt: skip
    credit = play(env, ["E.", "E.", "EE", "E."])
    # robot_1 may be surprised once; in the third step it goes away, but nearer to the slot
    assert credit.values[:, 1].tolist() == pytest.approx([0, -BLAME, -0.1, 0, 0])
    assert credit.values[:3, 0].tolist() == pytest.approx([-BLAME, -2 * BLAME, 0.2])
    assert "stands in the way of robot_0, which carries module_0" in [e.why for e in credit.events]


def test_pushing_on_into_the_same_obstacle_is_blamed_twice_as_much() -> None:
    env = draw(
        """
        01....
        ......
        ...#..
        ....A.
    """,
        horizon=6,
    )
    credit = play(env, ["E.", "E.", "..", "E."])
    assert credit.values[:4, 0].tolist() == pytest.approx([-BLAME, -2 * BLAME, 0.0, -BLAME])
    assert "again" in next(e.why for e in credit.events if e.start == 1)


def test_only_the_robot_that_caused_a_collision_is_blamed() -> None:
    env = draw(
        """
        01....
        ......
        ...#..
        ....A.
    """,
        horizon=3,
    )
    credit = play(env, ["E."])
    assert credit.values[0].tolist() == pytest.approx([-BLAME, 0.0])
    (event,) = credit.events
    assert event.agent == "robot_0" and "hits" in event.why


def test_carriers_that_disagree_and_a_lone_carrier_that_waits_are_not_blamed() -> None:
    env = draw("""
        ......
        .0A1..
        ......
        ...#.a
    """, mass={"A": 2}, grips={0: "A", 1: "A"}, horizon=4)  # fmt: skip
    assert not play(env, ["NS", "..", "EW"]).values.any()


def test_gripping_and_letting_go_cancel_exactly() -> None:
    env = draw(
        """
        ......
        .0A...
        ......
        ...#.a
    """,
        horizon=9,
    )
    credit = play(env, ["I"] * 8)
    assert credit.values[0, 0] > 0 and credit.values[0, 0] == -credit.values[1, 0]
    assert credit.values.sum() == 0.0


def test_it_reads_nothing_but_the_text_and_answers_what_a_model_must() -> None:
    keep = Keep()
    env = SpaceworldEnv("pair", max_cycles=30)
    wrapped = CreditWrapper(env, Deferred(CreditStore(keep, workers=0, episodes_per_query=2)))
    asked: list[Request] = []
    client = keep.inner.client
    complete = client.complete
    client.complete = lambda request: (asked.append(request), complete(request))[1]  # type: ignore[method-assign]
    rng = np.random.default_rng(0)
    wrapped.reset(seed=0)
    for _ in range(60):
        if not wrapped.agents:
            wrapped.reset()
        wrapped.step(dict(zip(wrapped.agents, busy_actions(env, rng), strict=True)))
    wrapped.store.settle([0, 1])
    (request,) = asked
    copy = Request(
        **{k: getattr(request, k) for k in ("system", "prompt", "schema", "model", "max_tokens", "temperature")}
    )
    assert ScriptedClient().complete(copy).text == complete(request).text
    answer = json.loads(complete(request).text)
    assert [e["episode"] for e in answer["episodes"]] == [1, 2]
    assert all(
        set(e) == {"agent", "start", "left", "extra", "reasons"} for x in answer["episodes"] for e in x["curves"]
    )
    assert keep.inner.stats.rejected == keep.inner.stats.fallbacks == 0


def test_an_unknown_world_is_judged_by_equal_parts_of_the_reward() -> None:
    prompt = ("## Episode 1\nsteps: 2, ended: truncated\nstart: nothing\n"
              "0: agent_A go; agent_B stay | x\n1: agent_A go; agent_B stay | reward 0.5 | y")  # fmt: skip
    request = Request("some other world", prompt, None, "scripted", 100)
    events = json.loads(ScriptedClient().complete(request).text)["episodes"][0]["events"]
    assert [(e["agent"], e["start"], e["amount"]) for e in events] == [
        ("agent_A", 1, 0.25),
        ("agent_B", 1, 0.25),
    ]


def test_relabelling_the_robots_relabels_the_credit_and_nothing_else() -> None:
    text = """
        ......
        .0A..a
        ......
        1..#..
        ......
    """
    swapped = text.replace("0", "x").replace("1", "0").replace("x", "1")
    one = play(draw(text, horizon=8), ["I.", "EN", "E.", "EN", "I."])
    two = play(draw(swapped, horizon=8), [".I", "NE", ".E", "NE", ".I"])
    assert np.array_equal(one.values, two.values[:, ::-1])


def test_a_module_for_which_no_slot_is_open_is_held_in_vain() -> None:
    env = draw("""
        .......
        .0A...a
        ...#...
        .1B...b
        .......
    """, types={"A": "strut", "B": "strut"}, needs={"b": "a"}, horizon=8)  # fmt: skip
    credit = play(env, ["I.", ".I", ".I", "E.", "E.", "E.", "E.", "I."])
    assert credit.values[0].tolist() == pytest.approx([0.3, 0.0])
    # the second strut has no slot before the first is docked: to hold it is no use, and nothing else is left to go for
    assert credit.values[1:3, 1].tolist() == pytest.approx([-VAIN - 0.3, VAIN + 0.3])
    assert credit.values[3:7, 0].tolist() == pytest.approx([0.2] * 4)
    assert credit.values[7].tolist() == pytest.approx([DOCK, 0.0])


def test_without_work_a_robot_is_paid_for_leaving_the_slot_to_which_a_module_is_carried() -> None:
    env = draw("""
        .......
        .0A..1a
        ...#...
        .......
    """, grips={0: "A"}, horizon=8)  # fmt: skip
    credit = play(env, [".E", ".S", ".S", ".W", ".N", ".N", ".E"])
    # distances to the slot: 1, 0, 1, 2, 3, 2, 1, 0; the robot should keep 3
    assert credit.values[:7, 1].tolist() == pytest.approx([-0.1, 0.1, 0.1, 0.1, -0.1, -0.1, -0.1])
    assert not credit.values[:7, 0].any()


def test_a_robot_that_can_dock_is_needed_where_the_carriers_cannot() -> None:
    text = """
        .......
        .0A1...
        ..2....
        #...a..
        .......
    """
    weak = Robot(can_dock=False)
    credit = play(draw(text, mass={"A": 2}, robots=[weak, weak, Robot()], horizon=8), ["I..", ".I.", "..I"])
    assert credit.values[[0, 1, 2], [0, 1, 2]].tolist() == pytest.approx([0.3, 0.3, 0.3])
    credit = play(draw(text, mass={"A": 2}, robots=[weak, Robot(), Robot()], horizon=8), ["I..", ".I.", "..I"])
    assert credit.values[2, 2] < 0  # one of the two carriers can dock


def test_a_loose_module_is_in_the_way_of_one_that_is_carried() -> None:
    text = """
        ......
        .0AB.a
        ......
        ...#..
    """
    straight = play(draw(text.replace("B", "."), grips={0: "A"}, horizon=4), ["N"])
    around = play(draw(text, grips={0: "A"}, horizon=4), ["N"])
    assert straight.values[0, 0] == pytest.approx(-0.2)  # away from the way along the row
    assert around.values[0, 0] == pytest.approx(0.2)  # the first step of the way around


def test_to_take_hold_is_worth_the_same_whichever_slots_are_filled() -> None:
    text = """
        0A......
        ..#.....
        .1B.....
        ......a.
        ........
    """
    kinds = {"A": "strut", "B": "strut"}
    for first in (["I.", ".I"], [".I", "I."]):  # the nearer slot, below B, is open, then filled
        env = draw(text, types=kinds, on={"B": "b"}, grips={1: "B"} if first[0] == ".I" else {}, horizon=6)
        credit = play(env, first)
        step = first.index("I.")
        assert credit.values[step, 0] == pytest.approx(0.3)
