"""The card of a model: what it learnt from, what it is made of, how it did on a fold it had not seen, its limits."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, text

from assets.listens import Floats
from assets.markdown import as_is
from assets.metrics.intervals import mean_with_interval
from assets.metrics.protocol import METRICS
from assets.metrics.segments import by_activity
from assets.ranker.dataset import Fold
from assets.ranker.judging import Audience, Performance
from assets.ranker.registry import Challenger
from assets.ranker.training import RankerConfig
from assets.slates import HORIZON_DAYS

_SEED = 1
_BINS = 10
_FEATURES_SHOWN = 15


@dataclass(frozen=True)
class DataWindow:
    """What there was to learn from as of a date; the listens are given by the instants of the first and the last."""

    first_listen: str
    last_listen: str
    listens: int
    users: int


def read_data_window(connection: Connection, as_of: date) -> DataWindow:
    """The window of the listens before `as_of`; there must be at least one."""
    row = connection.execute(_WINDOW, {"as_of": as_of}).one()
    return DataWindow(row.first.isoformat(), row.last.isoformat(), row.listens, row.users)


def build_card(
    challenger: Challenger,
    origin: str,
    folds: list[Fold],
    window: DataWindow,
    measured: tuple[Audience, Performance] | None,
) -> dict[str, Any]:
    """The card as plain data. origin: where the parameters come from. measured: what the stand-in made of the holdout,
    None where there is none.
    """
    model, stand_in = challenger.model, challenger.stand_in
    holdout = None
    if measured and stand_in:
        holdout = {
            "as_of": stand_in.as_of.isoformat(),
            "horizon_days": HORIZON_DAYS,
            "model": "stand-in",
            "folds": [each.isoformat() for each in stand_in.model.fold_dates],
            **_holdout(*measured, model.config),
        }
    return {
        "model_version": challenger.model_version,
        "slate": str(challenger.slate),
        "trained_as_of": challenger.trained_as_of.isoformat(),
        "data": asdict(window),
        "training": {
            "folds": [_fold(fold) for fold in folds],
            "rows": model.rows,
            "positives": model.positives,
            "users": challenger.users,
        },
        "parameters": asdict(model.config),
        "parameters_from": origin,
        "importance": importance(model.gain),
        "holdout": holdout,
        "limits": _limits(challenger, holdout),
    }


def importance(gain: Mapping[str, float]) -> list[dict[str, Any]]:
    """Share of gain by feature, strongest first: a list, because JSON in PostgreSQL keeps no order of names."""
    return [
        {"feature": name, "gain": share} for name, share in sorted(gain.items(), key=lambda each: (-each[1], each[0]))
    ]


def page(card: Mapping[str, Any], plots: str = "") -> str:
    """The card as Markdown; `plots` are images that follow the figures they show."""
    parts = [f"# {as_is(card['model_version'])}", _about(card), "## Holdout"]
    holdout = card["holdout"]
    if holdout:
        parts += [_metrics(holdout)]
        parts += ["### Calibration", _calibration(holdout["calibration"])] if holdout["calibration"] else []
    parts += [plots] if plots else []
    parts += ["## Features", _importance(card["importance"]), "## Known limits"]
    parts.append("\n".join(f"- {as_is(limit)}" for limit in card["limits"]))
    return "\n\n".join(parts)


def calibration(
    score: Floats, label: npt.NDArray[np.bool_], negatives: float, bins: int = _BINS
) -> list[dict[str, Any]]:
    """Candidates by score in `bins` equal parts, lowest first: rows, mean score, mean `predicted`, share listened to.

    Training kept the share `negatives` of what was not listened to, which multiplies the odds by 1 / negatives;
    `predicted` is the score with its odds multiplied by `negatives`.
    """
    order = np.argsort(score, kind="stable")
    raw = score[order].astype(np.float64)
    predicted = negatives * raw / (1.0 - raw + negatives * raw)
    parts = [part for part in np.array_split(np.arange(len(order)), bins) if len(part)]
    return [
        {
            "rows": len(part),
            "score": float(raw[part].mean()),
            "predicted": float(predicted[part].mean()),
            "listened": float(label[order[part]].mean()),
        }
        for part in parts
    ]


def _holdout(audience: Audience, performance: Performance, config: RankerConfig) -> dict[str, Any]:
    metrics = performance.metrics
    groups = {"all": np.ones(len(audience.users), dtype=bool), **by_activity(audience.listens)}
    measured = [
        {
            "segment": name,
            "users": int(members.sum()),
            "listens": [int(audience.listens[members].min()), int(audience.listens[members].max())],
            **{metric: mean_with_interval(metrics[metric][members], _SEED) for metric in METRICS},
        }
        for name, members in groups.items()
    ]
    return {
        "segments": measured,
        "candidate_recall": audience.reachable / int(audience.relevant.sum()),
        "tracks_listed": int(performance.lists["track_key"].nunique()),
        # There is no share of candidates that the score of a ranking objective could be held against.
        "calibration": calibration(performance.score, performance.label, config.negatives)
        if config.probabilities
        else None,
    }


def _fold(fold: Fold) -> dict[str, Any]:
    return {
        "as_of": fold.as_of.isoformat(),
        "rows": len(fold.label),
        "positives": int(fold.label.sum()),
        "users": len(np.unique(fold.user_key)),
    }


def _limits(challenger: Challenger, holdout: Mapping[str, Any] | None) -> list[str]:
    model, config = challenger.model, challenger.model.config
    limits = []
    if holdout:
        limits += [
            f"The holdout figures are of the stand-in: the same training config on {len(holdout['folds'])} of the"
            f" {len(model.fold_dates)} folds. The model itself learnt from the holdout as well, and was not"
            " measured on anything later.",
            f"It ranks candidates. {1 - holdout['candidate_recall']:.0%} of what users listened to in the holdout was"
            " put forward by no source, and no ranker can list that.",
            "The users of the holdout had listened before and listened again: nothing is said about those who left.",
        ]
    else:
        limits.append("Not measured: history was too short for a stand-in that has not seen the holdout.")
    if len(model.fold_dates) < config.folds:
        limits.append(
            f"Trained on {len(model.fold_dates)} folds, for want of more; the training config asks for {config.folds}."
        )
    kept = (
        f"Training kept {config.negatives:.0%} of the candidates that were not listened to, and weighed users by"
        f" (1 + listened) ** -{config.user_weight}"
    )
    of_score = (
        f"{kept}: corrected for the first, not for the second, it is what the calibration calls predicted."
        if config.probabilities
        else f"It is exp(s - the largest s of the user), s what {config.objective} learnt, and no probability: it"
        f" has no calibration. {kept}."
    )
    limits += [
        f"A score orders the tracks of one list. {of_score}",
        f"Relevant is what was played within {HORIZON_DAYS} days, liked or not: a play that was skipped counts as one.",
    ]
    unused = [name for name, share in model.gain.items() if share == 0]
    if unused:
        limits.append(f"Features without any influence: {', '.join(unused)}.")
    return limits


def _about(card: Mapping[str, Any]) -> str:
    data, training = card["data"], card["training"]
    lines = [
        f"Ranker of the slate `{card['slate']}`, trained as of {card['trained_as_of']}.",
        f"Listens from {data['first_listen'][:10]} to {data['last_listen'][:10]}:"
        f" {data['listens']:,} of {data['users']:,} users.",
        f"Trained on {training['rows']:,} rows of the folds {', '.join(f['as_of'] for f in training['folds'])}.",
    ]
    parameters = ", ".join(as_is(f"{name} {value}") for name, value in card["parameters"].items())
    return "\n".join(lines) + f"\n\nParameters ({as_is(card['parameters_from'])}): {parameters}."


def _metrics(holdout: Mapping[str, Any]) -> str:
    lines = [
        f"As of {holdout['as_of']}, {holdout['horizon_days']} days; the stand-in, which learnt from the folds"
        f" {', '.join(holdout['folds'])}. Means with 95 % intervals.",
        "",
        "| users | listens before | number | " + " | ".join(METRICS) + " |",
        "|---|---|---:|" + "---:|" * len(METRICS),
    ]
    for group in holdout["segments"]:
        cells = [
            f"{group[metric]['mean']:.4f} [{group[metric]['ci95'][0]:.4f}, {group[metric]['ci95'][1]:.4f}]"
            for metric in METRICS
        ]
        low, high = group["listens"]
        lines.append(f"| {as_is(group['segment'])} | {low:,} to {high:,} | {group['users']:,} | {' | '.join(cells)} |")
    lines += [
        "",
        f"{holdout['tracks_listed']:,} distinct tracks are listed; candidate recall is"
        f" {holdout['candidate_recall']:.1%} of what was listened to.",
    ]
    return "\n".join(lines)


def _calibration(bins: list[dict[str, Any]]) -> str:
    lines = [
        "Candidates by score, in ten equal parts; `predicted` is the score corrected for the negatives that training"
        " left out.",
        "",
        "| candidates | score | predicted | listened to |",
        "|---:|---:|---:|---:|",
    ]
    lines += [f"| {b['rows']:,} | {b['score']:.4f} | {b['predicted']:.4f} | {b['listened']:.4f} |" for b in bins]
    return "\n".join(lines)


def _importance(features: list[dict[str, Any]]) -> str:
    lines = ["| feature | share of gain |", "|---|---:|"]
    lines += [f"| {as_is(each['feature'])} | {each['gain']:.1%} |" for each in features[:_FEATURES_SHOWN]]
    return "\n".join([f"{len(features)} features; the strongest:", "", *lines])


_WINDOW = text(
    "select min(listened_at) as first, max(listened_at) as last, count(*) as listens, count(distinct user_key) as users"
    " from core.fct_listens where listened_at < cast(:as_of as timestamp) at time zone 'UTC'"
)
