"""A Vault of OG-MARL, by flashbax: for learners in JAX. It holds arrays only, and `load` does not read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from credit_wrappers.core.errors import DatasetError
from credit_wrappers.core.labelled_episode import LabelledEpisode
from credit_wrappers.core.optional import require
from credit_wrappers.dataset.dataset_card import DatasetCard
from credit_wrappers.dataset.dataset_spaces import TeamShape
from credit_wrappers.dataset.label_record import record_of


def write_vault(folder: Path, labels: Iterable[LabelledEpisode], card: DatasetCard) -> None:
    """Write labels as a Vault, one episode after another, without padding.

    Its leaves are (1, T, ...): `observations` (N, F) float32, `actions` (N,), `rewards` (N,), the credit,
    `team_rewards`, `terminals` and `truncations` (N,), `infos` with `costs` and, where they are known, `legals` (N, A)
    and exact credit.

    Args:
        folder: An empty folder; the Vault is `folder/labels`.
        labels: Labels with observations of one shape.
        card: Goes into the Vault's metadata.

    Raises:
        DatasetError: There are no observations, or agents have unlike ones.
        ImportError: flashbax is not installed.
    """
    flat_buffer = require("flashbax", "vault").make_flat_buffer
    vaults, jax = require("flashbax.vault", "vault"), require("jax", "vault")
    vault: Any = None
    team: TeamShape | None = None
    for label in labels:
        record = record_of(label, frames=False)
        team = team or TeamShape(record)
        team.check(record)
        experience = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf[None]), _leaves(label))
        if vault is None:
            metadata = {"environment": label.episode.env_id, "agents": ", ".join(label.episode.agents)}
            metadata |= {"title": card.title, "licence": card.licence, "credited_by": card.credited_by}
            vault = vaults.Vault(
                vault_name=folder.name,
                experience_structure=experience,
                rel_dir=str(folder.parent.absolute()),
                vault_uid="labels",
                metadata=metadata,
            )
        steps = label.episode.length
        buffer = flat_buffer(max_length=steps + 1, min_length=1, sample_batch_size=1)
        state = buffer.init(jax.tree.map(lambda leaf: leaf[0, 0], experience))
        filled = jax.tree.map(lambda kept, new: kept.at[:, : new.shape[1]].set(new), state.experience, experience)
        full = state.replace(experience=filled, current_index=jax.numpy.asarray(steps))
        vault.write(full, source_interval=(0, steps))
    if vault is None:
        raise DatasetError("there is no label to save")


def _leaves(label: LabelledEpisode) -> dict[str, Any]:
    """Return the arrays of an episode, (T, ...)."""
    episode, steps = label.episode, label.episode.length
    if episode.observations is None or episode.observations.dtype == object:
        raise DatasetError(
            f"episode {episode.id} has no observations of one shape for all agents: a Vault is made of them"
        )
    ends = np.zeros((2, steps, episode.n_agents), bool)
    ends[:, -1] = np.array([[episode.terminated], [episode.truncated]])
    infos: dict[str, Any] = {"costs": episode.cost.astype(np.float32)}
    if label.action_masks is not None:
        infos["legals"] = label.action_masks[:-1]
    infos |= {f"exact_{name.replace(' ', '_')}": array.astype(np.float32) for name, array in label.exact.items()}
    return {
        "observations": episode.observations[:-1].reshape(steps, episode.n_agents, -1).astype(np.float32),
        "actions": episode.actions.astype(np.int32 if episode.actions.ndim == 2 else np.float32),
        "rewards": label.credit.values.astype(np.float32),
        "team_rewards": np.repeat(episode.team_reward[:, None], episode.n_agents, axis=1).astype(np.float32),
        "terminals": ends[0],
        "truncations": ends[1],
        "infos": infos,
    }
