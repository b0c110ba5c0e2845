"""The fold over a step's events, and what is read off it: plain functions of integers and lists.

They are kept so plain because a live page runs them too: ``write.javascript`` translates this file, and a
test compares the two over thousands of steps. So an operation that it does not know cannot be used here.

Live bytes are linear in the sizes: the levels of the fixed bytes and those of the bytes an image give, added
up, the levels of any batch.
"""

from __future__ import annotations


def memory_bytes(values: int, itemsize: int, batch: int) -> int:
    """The bytes of so many values an image, for a batch.

    >>> memory_bytes(1000, itemsize=4, batch=2)
    8000
    """
    return values * itemsize * batch


def at_batch(fixed: list[int], per_image: list[int], batch: int) -> list[int]:
    """Sizes in bytes for a batch, each ``fixed + per_image * batch``.

    >>> at_batch([0, 16], [4, 8], batch=2)
    [8, 32]
    """
    return [size + each * batch for size, each in zip(fixed, per_image, strict=True)]


def total_at(fixed: list[int], per_image: list[int], batch: int) -> int:
    """The same, added up.

    >>> total_at([0, 16], [4, 8], batch=2)
    40
    """
    return sum(at_batch(fixed, per_image, batch))


def live_bytes(row: list[int]) -> int:
    """What is live in all, of a row of ``levels``.

    >>> live_bytes([100, 30])
    130
    """
    return sum(row)


def levels(events: list[list[int]], category: list[int], size: list[int], categories: int) -> list[list[int]]:
    """Live bytes by category, before and after the releases of each event: two rows an event.

    An event holds storages by number, from 1 on, negative where they are freed: it allocates, then it frees,
    and live bytes peak between the two. Where nothing changes, a row is the one before it, the same list.
    ``category``, below ``categories``, and ``size``, in bytes, are by storage.

    >>> rows = levels([[1], [2, 3, -2]], category=[0, 1, 1], size=[100, 10, 20], categories=2)
    >>> rows, rows[0] is rows[1]
    ([[100, 0], [100, 0], [100, 30], [100, 20]], True)
    """
    row = [0 for _ in range(categories)]
    rows = []
    for event in events:
        for sign in (1, -1):
            places = [sign * storage - 1 for storage in event if sign * storage > 0]
            if places:
                row = list(row)
            for place in places:
                row[category[place]] += sign * size[place]
            rows.append(row)
    return rows


def alive(events: list[list[int]], row: int) -> list[int]:
    """The storages that are live in a row of ``levels``, by number, in the order of their birth.

    >>> [alive([[1], [2, 3, -2]], row) for row in range(4)]
    [[1], [1], [1, 2, 3], [1, 3]]
    """
    there = []
    for number in range(row // 2 + 1):
        for storage in events[number]:
            if storage > 0:
                there.append(1)
            elif 2 * number < row:
                there[-storage - 1] = 0
    return [place + 1 for place in range(len(there)) if there[place] == 1]


def lifetimes(events: list[list[int]], storages: int) -> list[list[int]]:
    """By storage, the number of the event that allocates it and of the one that frees it; -1: none does.

    >>> lifetimes([[1], [2, 3, -2]], storages=3)
    [[0, -1], [1, 1], [1, -1]]
    """
    lives = [[-1, -1] for _ in range(storages)]
    for number in range(len(events)):
        for storage in events[number]:
            if storage > 0:
                lives[storage - 1][0] = number
            else:
                lives[-storage - 1][1] = number
    return lives


def parts(rows: list[list[int]], starts: list[int]) -> list[list[list[int]]]:
    """The rows of ``levels`` by part of the step, each after the row with which the part begins.

    ``starts`` is the number of the first event of each part; a part may be without events.

    >>> parts([[1], [1], [3], [2]], starts=[0, 1, 2])
    [[[0], [1], [1]], [[1], [3], [2]], [[2]]]
    """
    known = [[0 for _ in rows[0]], *rows]
    stops = [*starts[1:], len(rows) // 2]
    return [known[2 * start : 2 * stop + 1] for start, stop in zip(starts, stops, strict=True)]


def highest(rows: list[list[int]]) -> list[int]:
    """The row in which most is live; the first if several.

    >>> highest([[1, 2], [4, 0], [2, 2]])
    [4, 0]
    """
    live = [live_bytes(row) for row in rows]
    return rows[live.index(max(live))]


def peak_part(step: list[list[list[int]]]) -> int:
    """Which of the ``parts`` has the peak; the first if several. The first part, loading, does not count.

    >>> peak_part([[[9]], [[1], [3]], [[2]], [[3]]])
    1
    """
    most = [live_bytes(highest(rows)) for rows in step[1:]]
    return 1 + most.index(max(most))


def largest_batch(lines: list[list[int]], limit: int) -> int:
    """The largest batch whose peak stays within ``limit`` bytes; 0 if not even one image fits.

    ``lines`` holds live bytes at some events as ``[fixed, per_image]``, those of the peak of every batch
    among them. Each allows ``(limit - fixed) // per_image`` images, and the least of them is the answer.

    >>> largest_batch([[100, 10], [40, 30]], limit=200), largest_batch([[100, 10]], limit=99)
    (5, 0)
    """
    if max([fixed for fixed, _ in lines]) > limit:
        return 0
    return min([(limit - fixed) // per_image for fixed, per_image in lines if per_image > 0])


def kept_free(memory: int, process: int, malloc: int) -> int:
    """Bytes of a memory that are no tensor's: a process's, and a fifth of what it leaves, at most ``malloc``.

    >>> kept_free(1000, 300, 400), kept_free(10000, 300, 400), kept_free(100, 300, 400)
    (440, 700, 300)
    """
    return process + min(malloc, max(0, memory - process) // 5)


def widths(phases: list[str]) -> list[int]:
    """How wide each part of a step is drawn, in eighths: an optimizer's step is one part, and long.

    >>> widths(["load", "input", "step"]), widths(["forward"] * 20 + ["step"])[-1]
    ([8, 8, 8], 21)
    """
    return [max(8, len(phases)) if phase == "step" else 8 for phase in phases]
