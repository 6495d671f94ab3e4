"""How benchmarks of lists say which are better: means, and the paired difference to what is popular."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.metrics.intervals import mean_with_interval, paired_difference
from assets.metrics.protocol import HEADLINE
from orchestration.cli.rendering import print_json, print_table


def tell_beside_popular(
    name: str,
    values: Mapping[str, NDArray[np.float64]],
    told: Mapping[str, Any],
    title: str,
    seed: int,
    *,
    as_json: bool,
) -> None:
    """Print the mean of each kind of list, and the difference of `name` to "popular", as a table or as JSON.

    values: HEADLINE of each person, by kind of list. told: what the JSON says beside that.
    """
    difference: dict[str, Any] = paired_difference(values[name], values["popular"], "popular", HEADLINE, seed)
    if as_json:
        means = {each: mean_with_interval(of, seed) for each, of in values.items()}
        print_json({**told, "metric": HEADLINE, **means, "difference": difference})
        return
    interval = [round(end, 4) for end in difference["ci95"]]
    rows = [(each, f"{of.mean():.4f}") for each, of in values.items()]
    print_table(title, ("list", "mean"), [*rows, ("difference", f"{difference['delta']:.4f}, 95 % {interval}")])
