"""The shortest way of what a robot carries, or of the robot itself, by what it sees (ours)."""

from __future__ import annotations

import numpy as np

from spaceworld.rules.jit import kernel, part

TOLD = 6  # numbers about a way: whether each of four moves shortens it, whether there is one, and its length


@part
def _is_free(solid, shunned, rows, cols, row, col, offsets, count):  # type: ignore[no-untyped-def]  # compiled
    """Return whether the body fits: no cell of it is outside or solid, no robot's cell is shunned."""
    for k in range(count + 1):
        r, c = row, col
        if k:
            r, c = row + offsets[k - 1, 0], col + offsets[k - 1, 1]
        if r < 0 or r >= rows or c < 0 or c >= cols or solid[r * cols + c]:
            return False
        if shunned[r * cols + c] and (k > 0 or count == 0):  # a carried module alone may lie anywhere
            return False
    return True


@part
def _spread(solid, shunned, rows, cols, offsets, count, steps, queue, n):  # type: ignore[no-untyped-def]  # compiled
    """Fill `steps` with those to the nearest of the first `n` cells of `queue`; -1 where no way leads."""
    steps[:] = -1
    last = 0
    for k in range(n):
        cell = queue[k]
        if steps[cell] < 0 and _is_free(solid, shunned, rows, cols, cell // cols, cell % cols, offsets, count):
            steps[cell] = 0
            queue[last] = cell
            last += 1
    first = 0
    while first < last:
        row, col = queue[first] // cols, queue[first] % cols
        first += 1
        for direction in range(4):
            r, c = row + (-1, 1, 0, 0)[direction], col + (0, 0, -1, 1)[direction]
            if r < 0 or r >= rows or c < 0 or c >= cols or steps[r * cols + c] >= 0:
                continue
            if _is_free(solid, shunned, rows, cols, r, c, offsets, count):
                steps[r * cols + c] = steps[row * cols + col] + 1
                queue[last] = r * cols + c
                last += 1


@kernel
def ways(rows, cols, own, module, goal, held, others, things, kinds, told):  # type: ignore[no-untyped-def]  # compiled
    """Fill `told` (B, TOLD) float32 with zeros, or with what is known of the way.

    A robot that holds a module has the way of that module to its slot, with all who hold it at their sides; another one
    has its own way beside the module that it goes for. Ways lead round what is solid, and round keep-out cells where
    that is possible. Robots that are not of the body are in nobody's way.

    Args:
        rows: Of the grid.
        cols: Of the grid.
        own: (B, 2) int64, cells of the robots.
        module: (B, 2) int64, cells of the modules that they hold or go for; -1: none.
        goal: (B, 2) int64, cells where those modules belong; -1: unknown.
        held: (B,) bool, whether they hold it.
        others: (B, N - 1, 2) int64, cells of those who hold it, too; -1: of those who do not.
        things: (B, K, 2) int64, cells of other things.
        kinds: (B, K) int64, 1: solid, 2: keep-out, 0: not seen.
        told: Result.
    """
    cells = rows * cols
    solid, shunned = np.zeros(cells, np.bool_), np.zeros(cells, np.bool_)
    steps, queue = np.empty(cells, np.int64), np.empty(cells + 4, np.int64)
    offsets = np.zeros((others.shape[1] + 1, 2), np.int64)
    told[:] = 0.0
    for b in range(len(own)):
        if module[b, 0] < 0 or (held[b] and goal[b, 0] < 0):
            continue
        solid[:] = False
        shunned[:] = False
        for k in range(things.shape[1]):
            cell = things[b, k, 0] * cols + things[b, k, 1]
            if kinds[b, k] == 1:
                solid[cell] = True
            elif kinds[b, k] == 2:
                shunned[cell] = True
        count = 0
        row, col = own[b, 0], own[b, 1]
        if held[b]:
            row, col = module[b, 0], module[b, 1]
            offsets[0, 0], offsets[0, 1] = own[b, 0] - row, own[b, 1] - col
            count = 1
            for k in range(others.shape[1]):
                if others[b, k, 0] >= 0:
                    offsets[count, 0], offsets[count, 1] = others[b, k, 0] - row, others[b, k, 1] - col
                    count += 1
        else:
            solid[module[b, 0] * cols + module[b, 1]] = True
        for attempt in range(2):
            if attempt:
                shunned[:] = False
            n = 0
            if held[b]:
                queue[0], n = goal[b, 0] * cols + goal[b, 1], 1
            else:
                for direction in range(4):
                    r = module[b, 0] + (-1, 1, 0, 0)[direction]
                    c = module[b, 1] + (0, 0, -1, 1)[direction]
                    if 0 <= r < rows and 0 <= c < cols:
                        queue[n], n = r * cols + c, n + 1
            _spread(solid, shunned, rows, cols, offsets, count, steps, queue, n)
            here = steps[row * cols + col]
            found = here >= 0
            for direction in range(4):
                r, c = row + (-1, 1, 0, 0)[direction], col + (0, 0, -1, 1)[direction]
                if r < 0 or r >= rows or c < 0 or c >= cols or steps[r * cols + c] < 0:
                    continue
                found = True
                told[b, direction] = here < 0 or steps[r * cols + c] < here
            if found:
                told[b, 4] = 1.0
                told[b, 5] = max(here, 0) / float(rows + cols)
                break
