"""The promotion gate: whether a challenger may serve, by the lists that it and the incumbent would serve on a holdout.

Nothing here knows how the models were trained; docs/adr/0012 says which models are compared so that neither has seen
the fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.metrics.intervals import bootstrap_interval
from assets.metrics.protocol import HEADLINE, METRICS
from assets.metrics.segments import by_activity
from assets.ranker.judging import Audience, Performance

_MOST_LISTED = 0.01


@dataclass(frozen=True)
class PromotionConfig:
    """What a challenger must hold against the incumbent. docs/adr/0012 has the measurements behind the numbers.

    tolerance: share of the incumbent's NDCG@100 that may be lost: the lower end of the paired 95 % interval of the
    difference stays above it. A segment loses no more than that share, unless the loss may be chance.
    coverage: least distinct tracks listed, over the incumbent's. concentration: largest share of the places that the
    1 % most listed tracks (artists) take, over the incumbent's. speed: least rows scored per second of CPU, likewise.
    """

    tolerance: float = 0.05
    coverage: float = 0.9
    concentration: float = 1.25
    speed: float = 1 / 3
    seed: int = 1


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted and why (not).

    figures: what was measured, None when nothing was. speed: rows scored per second by role, None likewise; apart from
    the figures because no two runs measure the same.
    """

    promoted: bool
    reasons: list[str]
    figures: dict[str, Any] | None = None
    speed: dict[str, float] | None = None


def decide(audience: Audience, challenger: Performance, incumbent: Performance, config: PromotionConfig) -> Decision:
    """The decision on a challenger and an incumbent by the lists that both would have served on the same holdout."""
    figures = compare(audience, challenger, incumbent, config)
    speed = {"challenger": challenger.rows_per_second, "incumbent": incumbent.rows_per_second}
    objections = _objections(figures, speed, config)
    return Decision(not objections, objections or ["not worse than the incumbent"], figures, speed)


def compare(
    audience: Audience, challenger: Performance, incumbent: Performance, config: PromotionConfig
) -> dict[str, Any]:
    """Quality, coverage and concentration of both, and the paired difference in NDCG@100, in all and by segment."""
    users, by_role = audience.users, {"challenger": challenger, "incumbent": incumbent}
    ndcg = {role: each.metrics[HEADLINE] for role, each in by_role.items()}
    everyone = {"all": np.ones(len(users), dtype=bool)}
    compared = {
        name: _paired(ndcg["challenger"][members], ndcg["incumbent"][members], config.seed)
        for name, members in {**everyone, **by_activity(audience.listens)}.items()
    }
    return {
        "users": len(users),
        **{role: quality(each) for role, each in by_role.items()},
        **concentration(challenger.lists, incumbent.lists),
        **compared.pop("all"),
        "segments": compared,
    }


def loses(delta: float, high: float, incumbent: float, config: PromotionConfig) -> bool:
    """Whether a mean paired difference is a loss of more than is tolerated, and not by chance.

    high: the upper end of its 95 % interval. incumbent: the mean that is lost from.
    """
    return high < 0 and -delta > config.tolerance * incumbent


def quality(performance: Performance) -> dict[str, Any]:
    """Mean metrics of one model and how many distinct tracks it lists."""
    means = {metric: float(performance.metrics[metric].mean()) for metric in METRICS}
    return {**means, "tracks_listed": int(performance.lists["track_key"].nunique())}


def concentration(challenger: pd.DataFrame, incumbent: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Share of the places in lists that go to the 1 % most listed tracks and artists of each model, by kind and role.

    1 % of what either model lists, so that a model does not look better by listing less. Places of tracks without an
    artist do not count among the artists'; None where there are no others.
    """
    shares: dict[str, dict[str, float | None]] = {}
    for kind in ("track", "artist"):
        keys = {
            role: lists.loc[lists[f"{kind}_key"] >= 0, f"{kind}_key"]
            for role, lists in (("challenger", challenger), ("incumbent", incumbent))
        }
        most = int(np.ceil(_MOST_LISTED * pd.concat(keys.values()).nunique()))
        shares[f"{kind}_concentration"] = {
            role: float(each.value_counts().head(most).sum() / len(each)) if len(each) else None
            for role, each in keys.items()
        }
    return shares


def _paired(challenger: npt.NDArray[np.float64], incumbent: npt.NDArray[np.float64], seed: int) -> dict[str, Any]:
    difference = challenger - incumbent
    return {
        "users": len(difference),
        "challenger_ndcg@100": float(challenger.mean()),
        "incumbent_ndcg@100": float(incumbent.mean()),
        "delta": float(difference.mean()),
        "ci95": list(bootstrap_interval(difference, seed=seed)),
    }


def _objections(figures: Mapping[str, Any], speed: Mapping[str, float], config: PromotionConfig) -> list[str]:
    """Everything that speaks against the challenger, in words; empty when it may serve."""
    objections = []
    allowed = config.tolerance * figures["incumbent_ndcg@100"]
    if figures["ci95"][0] < -allowed:
        objections.append(
            f"NDCG@100 may be worse by {-figures['ci95'][0]:.4f}, and {allowed:.4f} is tolerated"
            f" (challenger {figures['challenger_ndcg@100']:.4f}, incumbent {figures['incumbent_ndcg@100']:.4f})"
        )
    for name, segment in figures["segments"].items():
        if loses(segment["delta"], segment["ci95"][1], segment["incumbent_ndcg@100"], config):
            objections.append(
                f"{name} listeners lose {-segment['delta']:.4f} of NDCG@100 {segment['incumbent_ndcg@100']:.4f},"
                f" by at least {-segment['ci95'][1]:.4f}"
            )
    listed = {role: figures[role]["tracks_listed"] for role in ("challenger", "incumbent")}
    if listed["challenger"] < config.coverage * listed["incumbent"]:
        objections.append(
            f"coverage: {listed['challenger']} distinct tracks are listed, of the incumbent's {listed['incumbent']}"
        )
    for kind in ("track", "artist"):
        share = figures[f"{kind}_concentration"]
        if share["challenger"] is not None and share["challenger"] > config.concentration * (share["incumbent"] or 0):
            objections.append(
                f"concentration: the 1 % most listed {kind}s take {share['challenger']:.1%} of the places,"
                f" with the incumbent {share['incumbent'] or 0:.1%}"
            )
    if speed["challenger"] < config.speed * speed["incumbent"]:
        objections.append(
            f"speed: {speed['challenger']:,.0f} rows are scored per second, by the incumbent {speed['incumbent']:,.0f}"
        )
    return objections
