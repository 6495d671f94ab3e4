"""Tries training parameters on closed folds, and chooses those that are significantly better than the default.

What is tried as of a date is what trainings before it would have done: a trial learns from the folds that were over
when its validation date began, as stand-ins do (docs/adr/0012), and is judged by the lists that it would serve from
that date's holdout (`judging.judge`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from assets.metrics.protocol import HEADLINE
from assets.metrics.simultaneous import simultaneous_intervals
from assets.ranker.dataset import Fold
from assets.ranker.training import RankerConfig, can_learn
from assets.search.attempt import Attempt, clean_folds, try_config, try_default
from assets.search.space import new_study, record, suggested
from assets.search.trial import FEWEST_USERS, Measured, SearchConfig, Trial
from assets.search.validation import Validation
from assets.slates import HORIZON_DAYS

# Weekly folds of a training that overlap with its newest one: what stands in for it learns from the others.
_OVERLAPPING = HORIZON_DAYS // 7


def search(
    folds: Sequence[Fold],
    validations: Sequence[Validation],
    config: SearchConfig,
    on_trial: Callable[[int, float, float], None],
) -> list[Trial] | None:
    """Every trial in its order, exactly one of them chosen; None when there is nothing to learn from before any date.

    folds: the training set's, as stored. validations: newest first. on_trial: called after each trial with
    its number, its NDCG@100 and the default's on the same dates. Equal arguments give equal trials but for the seconds.

    Raises:
        ValueError: a holdout has other features than the training folds.
    """
    numbers = range(_OVERLAPPING + 1, RankerConfig().folds + 1)
    usable = [each for each in validations if can_learn(clean_folds(folds, each.as_of, numbers[-1]))]
    if not usable:
        return None
    for each in usable:
        if each.holdout.names != folds[0].names:
            raise ValueError(f"the holdout as of {each.as_of} has other features than the training folds")
    enough = [number for number in numbers if all(can_learn(clean_folds(folds, each.as_of, number)) for each in usable)]
    study = new_study(config.seed)
    attempts: list[Attempt] = []
    for number in range(config.trials):
        asked = study.ask()
        proposed = suggested(asked, enough, config.most_trees)
        if attempts:
            attempts.append(try_config(folds, usable, proposed, attempts[0], config))
        else:
            attempts.append(try_default(folds, usable, config))
        mean = attempts[-1].mean(attempts[-1].best_trees())
        record(study, asked, mean, pruned=len(attempts[-1].curves) < len(usable))
        on_trial(number, mean, _default_on_same_dates(attempts[0], attempts[-1]))
    return _judged(attempts, usable, config.seed)


def _default_on_same_dates(default: Attempt, attempt: Attempt) -> float:
    return replace(default, curves=default.curves[: len(attempt.curves)]).mean(default.config.trees)


def _judged(attempts: Sequence[Attempt], validations: Sequence[Validation], seed: int) -> list[Trial]:
    """The attempts as trials: the best is chosen if its interval lies above 0, else the default.

    The intervals hold for every number of trees at which a config was measured, since the best of them was picked.
    With too few users nothing is compared, and the default stays.
    """
    default = attempts[0]
    whole = [number for number, each in enumerate(attempts) if number and len(each.curves) == len(validations)]
    tried = [(number, trees) for number in whole for trees in attempts[number].measured_trees()]
    intervals: dict[tuple[int, int], tuple[float, float]] = {}
    if tried and all(len(each.holdout.users) >= FEWEST_USERS for each in validations):
        users = np.unique(np.concatenate([each.holdout.users for each in validations]))
        differences = [_differences(attempts[number], trees, default, validations, users) for number, trees in tried]
        bounds = simultaneous_intervals(np.stack(differences), seed)
        intervals = {key: (float(low), float(high)) for key, (low, high) in zip(tried, bounds, strict=True)}
    trials = [
        _trial(number, attempt, default, validations, intervals.get((number, attempt.best_trees())))
        for number, attempt in enumerate(attempts)
    ]
    best = max((trials[number] for number in whole), key=lambda each: (each.mean(), -each.number), default=trials[0])
    chosen = best.number if best.interval and best.interval[0] > 0 else 0
    return [replace(each, chosen=each.number == chosen) for each in trials]


def _differences(
    attempt: Attempt,
    trees: int,
    default: Attempt,
    validations: Sequence[Validation],
    users: npt.NDArray[np.int32],
) -> npt.NDArray[np.float64]:
    """NDCG@100 minus the default's of each of `users`, over all dates; its mean is that of the means of the dates.

    One number for each user, whatever their dates, because the same person's weeks are not independent evidence.
    """
    total = np.zeros(len(users))
    for validation, curve, of_default in zip(validations, attempt.curves, default.curves, strict=True):
        difference = curve[trees][HEADLINE] - of_default[default.config.trees][HEADLINE]
        weight = len(users) / (len(validations) * len(difference))
        total[np.searchsorted(users, validation.holdout.users)] += weight * difference
    return total


def _trial(
    number: int,
    attempt: Attempt,
    default: Attempt,
    validations: Sequence[Validation],
    interval: tuple[float, float] | None,
) -> Trial:
    trees = attempt.best_trees()
    reached = list(zip(validations, attempt.curves, default.curves, strict=False))
    return Trial(
        number=number,
        config=replace(attempt.config, trees=trees),
        pruned=len(attempt.curves) < len(validations),
        training_dates=attempt.training_dates,
        by_date=[
            Measured(
                as_of=validation.as_of,
                users=len(validation.holdout.users),
                metrics={metric: float(values.mean()) for metric, values in curve[trees].items()},
                default=float(of_default[default.config.trees][HEADLINE].mean()),
            )
            for validation, curve, of_default in reached
        ],
        users=len(np.unique(np.concatenate([validation.holdout.users for validation, _, _ in reached]))),
        interval=interval,
        seconds=attempt.seconds,
    )
