"""Many environments with the parallel API as one vectorised environment of TorchRL (extra `torchrl`)."""

from credit_wrappers.integrations.torchrl.team_torch_env import TeamTorchEnv

__all__ = ["TeamTorchEnv"]
