"""The one fold over a step's events, and what is read off it: plain lists of integers in, plain lists out."""

from __future__ import annotations


def levels(events: list[list[int]], category: list[int], size: list[int], categories: int) -> list[list[int]]:
    """Live bytes by category before and after each event's releases: two rows an event.

    An event holds the numbers of storages, from 1 on; negative where the storage is freed. ``category`` and
    ``size`` are by storage. Levels are linear in the sizes, so those of the fixed bytes and those of the
    bytes per image give the levels of any batch.

    >>> levels([[1], [2, -1]], [0, 1], [100, 8], 2)
    [[100, 0], [100, 0], [100, 8], [0, 8]]
    """
    live = [0] * categories
    found = []
    for event in events:
        for storage in event:
            if storage > 0:
                live[category[storage - 1]] += size[storage - 1]
        found.append(list(live))
        for storage in event:
            if storage < 0:
                live[category[-storage - 1]] -= size[-storage - 1]
        found.append(list(live))
    return found


def largest_batch(lines: list[list[int]], limit: int) -> int:
    """The largest batch at which every line ``[fixed, per_image]`` stays within ``limit`` bytes; 0: none.

    Each line allows ``(limit - fixed) // per_image`` images, and the least of them is the answer.

    >>> largest_batch([[100, 10], [0, 30]], 200)
    6
    """
    least = -1
    for fixed, per_image in lines:
        if fixed > limit:
            return 0
        if per_image > 0:
            allowed = (limit - fixed) // per_image
            if least < 0 or allowed < least:
                least = allowed
    return least
