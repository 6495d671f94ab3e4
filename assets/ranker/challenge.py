"""Trains the challenger of a slate, has the gate compare it with the incumbent, and records what was decided."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from assets.ranker.card import build_card, read_data_window
from assets.ranker.dataset import Fold
from assets.ranker.holdout import Audience, Rehearsal, feature_names, rehearse
from assets.ranker.promotion import Decision, PromotionConfig, judge, quality
from assets.ranker.promotion_store import decision_of_gate, read_card, record_decision
from assets.ranker.registry import Challenger, StandIn, clean_model, load_model, register, serving, store_files
from assets.ranker.training import RankerConfig, RankerModel, can_learn, train
from assets.ranker.training_config import Recipe
from assets.ranker.training_set import HeldOut, held_out_fold, load_folds
from assets.slates import HORIZON_DAYS, Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


@dataclass(frozen=True)
class Outcome:
    """A registered challenger, its card, and what was decided on it, now or when it was first trained."""

    challenger: Challenger
    card: dict[str, Any]
    decision: Decision


@dataclass(frozen=True)
class _Incumbent:
    """The model that serves so far: `model` has not seen the held-out fold; without one `obstacle` says why."""

    model_version: str
    model: RankerModel | None
    obstacle: str
    can_serve: bool = True


def challenge(
    engine: Engine, lake: Lake, slate: Slate, as_of: date, recipe: Recipe, gate: PromotionConfig
) -> Outcome | None:
    """Train a ranker on all folds, decide whether it serves from `as_of` on, and store it with card and decision.

    What is compared is not the model itself, which has seen the held-out fold, but its stand-in: the same recipe on the
    folds that were over when the held-out fold began (docs/adr/0012). A model that the gate has decided on before is
    stored again if need be, and that decision stays. None when there is nothing to learn from in the folds.

    Raises:
        AudoticsError: no folds are stored, or not the one to compare on.
    """
    config = recipe.config
    folds = load_folds(lake, as_of, slate, config)
    if not can_learn(folds):
        return None
    held_out = held_out_fold(lake, as_of, slate, config)
    if held_out is None:
        raise AudoticsError(
            f"the fold that rankers of {slate} as of {as_of} are compared on is no longer in the lake:"
            " materialise `training_set` for that date again"
        )
    users = len({user for fold in folds for user in fold.user_key.tolist()})
    stand_in = _stand_in(folds, held_out, config)
    challenger = Challenger(slate, as_of, train(folds, config), users, stand_in)
    store_files(lake, challenger)
    with engine.connect() as connection:
        known = decision_of_gate(connection, challenger.model_version)
        if known:
            return Outcome(challenger, read_card(connection, challenger.model_version), known)
        incumbent = _incumbent(connection, lake, slate, as_of, held_out)
        window = read_data_window(connection, as_of)
    decision, measured = _compare(lake, challenger, incumbent, held_out, gate)
    card = build_card(challenger, recipe.origin, folds, window, measured)
    with engine.begin() as connection:
        register(connection, challenger, card)
        record_decision(connection, challenger, incumbent.model_version if incumbent else None, decision)
    return Outcome(challenger, card, decision)


def _stand_in(folds: list[Fold], held_out: HeldOut, config: RankerConfig) -> StandIn | None:
    """Trained on the folds whose horizon was over when the held-out one began; None when there is nothing to learn."""
    clean = [fold for fold in folds if fold.as_of + timedelta(days=HORIZON_DAYS) <= held_out.as_of]
    return StandIn(held_out.as_of, train(clean, config)) if can_learn(clean) else None


def _incumbent(connection: Connection, lake: Lake, slate: Slate, as_of: date, held_out: HeldOut) -> _Incumbent | None:
    row = serving(connection, slate, as_of)
    if row is None:
        return None
    try:
        load_model(lake, row)
    except AudoticsError as error:
        return _Incumbent(row.model_version, None, f"the incumbent cannot serve: {error}", can_serve=False)
    columns = next(lake.read_parquet(held_out.path, made_by="training_set")).column_names
    gone = sorted(set(row.features) - set(feature_names(columns)))
    if gone:
        obstacle = f"the incumbent cannot serve: it needs features that are no more ({', '.join(gone)})"
        return _Incumbent(row.model_version, None, obstacle, can_serve=False)
    model = clean_model(lake, row, held_out.as_of)
    obstacle = f"neither the incumbent nor a stand-in of it is older than the fold as of {held_out.as_of}"
    return _Incumbent(row.model_version, model, obstacle if model is None else "")


def _compare(
    lake: Lake,
    challenger: Challenger,
    incumbent: _Incumbent | None,
    held_out: HeldOut,
    gate: PromotionConfig,
) -> tuple[Decision, tuple[Audience, Rehearsal] | None]:
    """The decision, and what the stand-in made of the held-out fold, from one pass over it."""
    models: dict[str, RankerModel] = {}
    if challenger.stand_in:
        models["challenger"] = challenger.stand_in.model
        if incumbent and incumbent.model:
            models["incumbent"] = incumbent.model
    rehearsed: tuple[Audience, dict[str, Rehearsal]] | None = None
    if models:
        rehearsed = rehearse(models, lake.read_parquet(held_out.path, made_by="training_set"))
    decision = _decide(incumbent, rehearsed, gate)
    if decision.figures:
        decision = replace(decision, figures={"held_out": held_out.as_of.isoformat(), **decision.figures})
    return decision, (rehearsed[0], rehearsed[1]["challenger"]) if rehearsed else None


def _decide(
    incumbent: _Incumbent | None,
    rehearsed: tuple[Audience, dict[str, Rehearsal]] | None,
    gate: PromotionConfig,
) -> Decision:
    if rehearsed and "incumbent" in rehearsed[1]:
        audience, by_role = rehearsed
        return judge(audience, by_role["challenger"], by_role["incumbent"], gate)
    figures = None
    if rehearsed:
        audience, by_role = rehearsed
        figures = {"users": len(audience.users), "challenger": quality(audience, by_role["challenger"])}
    if incumbent is None:
        return Decision(True, ["there is no incumbent"], figures)
    if not incumbent.can_serve:
        return Decision(True, [incumbent.obstacle], figures)
    obstacle = incumbent.obstacle or "history is too short to train a stand-in that has not seen the held-out fold"
    return Decision(False, [f"it could not be compared with the incumbent: {obstacle}"], figures)
