"""The policy that is left when the task input is always zero: the same network without the weights for it."""

from __future__ import annotations

import copy

import torch
from torch import nn


def without_task(network: nn.Module, inputs: int, behind: int = 0) -> nn.Module:
    """A copy of a network that reads only the first `inputs` and the last `behind` numbers; itself, if that is all.

    For an input with zeros between these numbers it returns what the network returned (LLM-TACA's policies at
    execution: no critic, no task).
    """
    assert isinstance(network, nn.Sequential)
    first = network[0]
    assert isinstance(first, nn.Linear)
    if first.in_features == inputs + behind:
        return network
    cut = copy.deepcopy(network)
    layer = nn.Linear(inputs + behind, first.out_features)
    weight = first.weight.detach()
    layer.weight.data = torch.cat([weight[:, :inputs], weight[:, first.in_features - behind :]], dim=1)
    layer.bias.data = first.bias.detach().clone()
    cut[0] = layer
    return cut
