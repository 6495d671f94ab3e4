"""Work on ranges of rows, a thread each: for compiled code, which lets go of the interpreter's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from warehouse.settings import load_settings


def thread_count() -> int:
    """In how many threads work is done, as the settings say: never part of a config, because it changes no result."""
    return load_settings().threads


def in_parts(work: Callable[[slice], None], rows: int, threads: int, least: int = 1) -> None:
    """Calls `work` at once on ranges that together are all rows: as many as there are threads, of `least` rows or more,
    or one of all rows.

    The first error of a range is raised after all of them are done.
    """
    parts = max(1, min(threads, rows // least))
    ranges = [slice(*bounds) for bounds in pairwise(np.linspace(0, rows, parts + 1).astype(np.int64).tolist())]
    if parts == 1:
        work(ranges[0])
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(work, ranges))
