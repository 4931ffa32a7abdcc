"""The ids of the warehouse library, parsed by their grammar, because registering all of them takes minutes."""

from __future__ import annotations

import re
from typing import Any

from credit_wrappers.core.optional import registered, require, unknown

ENTRY_POINT = "rware.warehouse:Warehouse"

_ID = re.compile(
    r"rware(?P<seen>-img|-imgdict)?(?P<north>-Nd)?(?:-(?P<sight>[2-5])s)?"
    r"-(?:(?P<size>tiny|small|medium|large)(?:-(?P<height>\d+)h)?-(?P<agents>\d+)ag(?P<hard>-easy|-hard)?"
    r"|(?P<rows>\d+)x(?P<columns>\d+)-(?P<tall>\d+)h-(?P<team>\d+)ag-(?P<queue>\d+)req-(?P<paid>indiv|global|twostage))-v2"
)
_SIZES = {"tiny": (1, 3), "small": (2, 3), "medium": (2, 5), "large": (3, 5)}  # rows and columns of shelf groups
_REQUESTS = {"-easy": 2, None: 1, "-hard": 0.5}  # for each agent
_PAID = {"indiv": "INDIVIDUAL", "global": "GLOBAL", "twostage": "TWO_STAGE"}


def arguments_of(env_id: str) -> dict[str, Any]:
    """Return the arguments that an id stands for, one that is registered or that the library would register.

    The ValueError for an unknown id names the nearest.
    """
    library = require("rware", "rware")
    known = registered(ENTRY_POINT)
    if env_id in known:
        return known[env_id]
    found = _ID.fullmatch(str(env_id))
    if found is None or (found["north"] and not found["seen"] and found["size"]):
        raise unknown(env_id, known)
    if found["size"]:
        rows, columns = _SIZES[found["size"]]
        agents, height = int(found["agents"]), int(found["height"] or 8)
        requests = int(agents * _REQUESTS[found["hard"]])
        full = found["height"] is not None
    else:
        rows, columns, height = int(found["rows"]), int(found["columns"]), int(found["tall"])
        agents, requests, full = int(found["team"]), int(found["queue"]), True
    fits = 1 <= agents <= 19 and 1 <= height <= 15 and 1 <= rows <= 4 and columns in (3, 5, 7, 9)
    fits &= found["size"] is not None or 1 <= requests <= 19
    # Ids with a height may have a sight but not imgdict; for ids with a size alone it is the other way round.
    fits &= found["seen"] != "-imgdict" if full else found["sight"] is None
    if not fits:
        raise unknown(env_id, known)
    seen = {None: "FLATTENED", "-img": "IMAGE", "-imgdict": "IMAGE_DICT"}[found["seen"]]
    return {
        "column_height": height,
        "shelf_rows": rows,
        "shelf_columns": columns,
        "n_agents": agents,
        "msg_bits": 0,
        "sensor_range": int(found["sight"] or 1),
        "request_queue_size": requests,
        "max_inactivity_steps": None,
        "max_steps": 500,
        "reward_type": library.RewardType[_PAID[found["paid"] or "indiv"]],
        "observation_type": library.ObservationType[seen],
        "image_observation_directional": not found["north"],
    }
