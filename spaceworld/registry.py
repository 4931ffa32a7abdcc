"""Registration of the presets with PettingZoo, on request."""

from __future__ import annotations

from spaceworld.presets import PRESETS


def register_envs() -> tuple[str, ...]:
    """Register every preset as `spaceworld/<preset>-v0`, parallel and AEC; return the ids.

    Afterwards `pettingzoo.make("parallel", "spaceworld/pair-v0", render_mode="rgb_array")` makes one. Calling this
    twice does no harm.

    Raises:
        ImportError: When the installed PettingZoo has no registry.
    """
    try:
        from pettingzoo import aec_registry, parallel_registry, register
    except ImportError as error:
        raise ImportError(
            "this PettingZoo has no registry: install pettingzoo>=1.27, or call "
            "spaceworld.spaceworld_v0.parallel_env(scenario=...)"
        ) from error
    ids = tuple(f"spaceworld/{name}-v0" for name in PRESETS)
    for name, env_id in zip(PRESETS, ids, strict=True):
        if env_id not in parallel_registry:
            register("parallel", env_id, "spaceworld.spaceworld_v0:parallel_env", kwargs={"scenario": name})
        if env_id not in aec_registry:
            register("aec", env_id, "spaceworld.spaceworld_v0:env", kwargs={"scenario": name})
    return ids
