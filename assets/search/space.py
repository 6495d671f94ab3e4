"""What the search may try: the parameters of RankerConfig, and their ranges."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assets.ranker.training import OBJECTIVES, RankerConfig

if TYPE_CHECKING:
    import optuna

# Shares of the negatives: the training set holds the largest.
_NEGATIVES = (0.1, 0.2, RankerConfig().negatives)
_USER_WEIGHTS = (0.0, 0.25, 0.5)
# What is searched; the sampler learns from the default as well.
_SEARCHED = (
    "objective",
    "folds",
    "negatives",
    "user_weight",
    "leaves",
    "learning_rate",
    "min_child_samples",
    "lambda_l2",
    "feature_fraction",
    "bagging_fraction",
)


def new_study(seed: int) -> "optuna.Study":
    """A study that maximises, in memory; the same seed proposes the same trials.

    The first is the default. The second is what was measured as the best alternative to it (docs/adr/0022), so that
    every search compares the two: an objective that counts each user once, and so no weight of users on top.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for config in (RankerConfig(), RankerConfig(objective="rank_xendcg", user_weight=0.0)):
        study.enqueue_trial({name: getattr(config, name) for name in _SEARCHED})
    return study


def suggested(trial: "optuna.Trial", folds: Sequence[int], most_trees: int) -> RankerConfig:
    """The config that a trial proposes, with at most so many trees; `folds` are the numbers of folds to choose from.

    Rounded to what a person would write: finer differences are within the noise.
    """
    return replace(
        RankerConfig(),
        objective=str(trial.suggest_categorical("objective", OBJECTIVES)),
        folds=int(trial.suggest_int("folds", folds[0], folds[-1])),
        negatives=float(trial.suggest_categorical("negatives", _NEGATIVES)),
        user_weight=float(trial.suggest_categorical("user_weight", _USER_WEIGHTS)),
        trees=most_trees,
        # The compiled forest takes 32 at most.
        leaves=trial.suggest_int("leaves", 4, 31, log=True),
        learning_rate=round(trial.suggest_float("learning_rate", 0.01, 0.1, log=True), 3),
        min_child_samples=trial.suggest_int("min_child_samples", 20, 1000, log=True),
        lambda_l2=round(trial.suggest_float("lambda_l2", 0.1, 100.0, log=True), 1),
        feature_fraction=round(trial.suggest_float("feature_fraction", 0.3, 1.0), 2),
        bagging_fraction=round(trial.suggest_float("bagging_fraction", 0.4, 1.0), 2),
    )


def record(study: "optuna.Study", trial: "optuna.Trial", value: float, pruned: bool) -> None:
    """Tell the study what became of a trial."""
    import optuna

    if pruned:
        trial.report(value, step=0)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, value)
