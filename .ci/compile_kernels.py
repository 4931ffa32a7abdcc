"""Compiles Spaceworld's kernels: whatever the tests then call is loaded from disk.

Two processes of tests would each compile them, a minute and a half in each. Here that is done once, on the core that
pip leaves idle.
"""

import numpy as np

from spaceworld import spaceworld_v0
from spaceworld.env import SpaceworldEnv
from spaceworld.planner import policy, shortest_plan, value_function
from spaceworld.vector import SpaceworldVectorEnv
from tianshou_examples.experiment.compiled_rules import CompiledRules

for observation in ("vector", "image"):
    env = spaceworld_v0.parallel_env("duet", observation=observation)
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, 0))
    worlds = SpaceworldVectorEnv(2, "duet", observation=observation)
    worlds.reset(seed=0)
    worlds.step(np.zeros((2, 2), np.int64))

duet = SpaceworldEnv("duet")
duet.reset(seed=0)
shortest_plan(duet)
for kind in ("time", "work"):
    value_function(duet, kind).values([duet.get_state()])

for name in ("pair", "crew"):  # teams by rules: robots that fly, dodge and carry together
    env = SpaceworldEnv(name)
    env.reset(seed=0)
    team = policy(env)
    while env.agents:
        env.step(team())

rules = CompiledRules(worlds._batch.memory)
rules.begin(np.arange(2))
rules.pay()
