"""The policy that is left when the task input is always zero: the same network without the weights for it."""

from __future__ import annotations

import copy

from torch import nn


def without_task(network: nn.Module, inputs: int) -> nn.Module:
    """A copy of a network that reads the first `inputs` numbers of what it read; the network itself, if that is all.

    For an observation with zeros behind these numbers it returns what the network returned (LLM-TACA's policies at
    execution: no critic, no task).
    """
    assert isinstance(network, nn.Sequential)
    first = network[0]
    assert isinstance(first, nn.Linear)
    if first.in_features == inputs:
        return network
    cut = copy.deepcopy(network)
    layer = nn.Linear(inputs, first.out_features)
    layer.weight.data = first.weight.detach()[:, :inputs].clone()
    layer.bias.data = first.bias.detach().clone()
    cut[0] = layer
    return cut
