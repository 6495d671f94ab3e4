"""Trains the challenger of a slate, has the gate compare it with the incumbent, and records what was decided."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from assets.ranker.card import build_card, read_data_window
from assets.ranker.chosen_lists import LISTS
from assets.ranker.dataset import Fold
from assets.ranker.holdout import Holdout, feature_names, holdout_of
from assets.ranker.judging import Audience, Performance, perform
from assets.ranker.promotion import Decision, PromotionConfig, decide, quality
from assets.ranker.promotion_store import decision_of_gate, read_card, record_decision, record_succession
from assets.ranker.registry import Challenger, StandIn, clean_model, obstacle, register, serving, store_files
from assets.ranker.training import FEWEST_LISTENERS, NotTrained, RankerConfig, RankerModel, can_learn, train
from assets.ranker.training_config import TrainingConfig
from assets.ranker.training_set import StoredHoldout, load_folds, newest_holdout
from assets.slates import HORIZON_DAYS, Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.wording import counted


@dataclass(frozen=True)
class Outcome:
    """A registered challenger, its card, and what was decided on it, now or when it was first trained."""

    challenger: Challenger
    card: dict[str, Any]
    decision: Decision


@dataclass(frozen=True)
class _Incumbent:
    """The model that serves so far: `model` has not seen the holdout; without one `obstacle` says why."""

    model_version: str
    model: RankerModel | None
    obstacle: str
    can_serve: bool = True


def challenge(
    engine: Engine, lake: Lake, slate: Slate, as_of: date, training: TrainingConfig, gate: PromotionConfig
) -> Outcome | NotTrained:
    """Train a ranker on all folds, decide whether it serves from `as_of` on, and store it with card and decision.

    What is compared is not the model itself, which has seen the holdout, but its stand-in: the same training config on
    the folds that were over when the holdout began (docs/adr/0012). A model that the gate has decided on before is
    stored again if need be, and that decision stays, unless the model that serves instead cannot. Nothing is stored
    when there is nothing to learn from in the folds.

    Raises:
        AudoticsError: no folds are stored, or not the one to compare on.
    """
    config = training.config
    folds = load_folds(lake, as_of, slate, config)
    users = len({user for fold in folds for user in fold.user_key.tolist()})
    if reason := _too_little(folds, users):
        return NotTrained(reason)
    holdout = newest_holdout(lake, as_of, slate, config)
    if holdout is None:
        raise AudoticsError(
            f"the fold that rankers of {slate} as of {as_of} are compared on is not in the lake any more:"
            " materialise `training_set` for that date again"
        )
    model = train(folds, config)
    with engine.connect() as connection:
        incumbent = _incumbent(connection, lake, slate, as_of, holdout)
    if incumbent is None and not model.splits:
        return NotTrained(f"its {counted(model.rows, 'candidate')} are too few to tell them apart by any feature")
    challenger = Challenger(slate, as_of, model, users, _stand_in(folds, holdout, config))
    store_files(lake, challenger)
    with engine.connect() as connection:
        known = decision_of_gate(connection, challenger.model_version)
        if known and (incumbent is None or incumbent.can_serve):
            return Outcome(challenger, read_card(connection, challenger.model_version), known)
        window = read_data_window(connection, as_of)
    if known and incumbent:
        return _succeed(engine, challenger, incumbent, known)
    decision, measured = _compare(lake, challenger, incumbent, holdout, gate)
    card = build_card(challenger, training.origin, folds, window, measured)
    with engine.begin() as connection:
        register(connection, challenger, card)
        record_decision(connection, challenger, incumbent.model_version if incumbent else None, decision)
    return Outcome(challenger, card, decision)


def _too_little(folds: list[Fold], users: int) -> str | None:
    """Why no ranker is to be learned from these folds; None where one is."""
    if not users:
        return "in its folds, nobody with earlier listens played a track that it may list"
    if users < FEWEST_LISTENERS:
        return f"its folds are of {counted(users, 'listener')}, and a ranker needs {FEWEST_LISTENERS}"
    return None if can_learn(folds) else "in none of its folds was one candidate listened to and another not"


def _succeed(engine: Engine, challenger: Challenger, incumbent: _Incumbent, known: Decision) -> Outcome:
    """Promote a model on which the gate has decided before, in the place of one that cannot serve."""
    with engine.begin() as connection:
        record_succession(connection, challenger, incumbent.model_version, incumbent.obstacle)
        card = read_card(connection, challenger.model_version)
    return Outcome(challenger, card, replace(known, promoted=True, reasons=[incumbent.obstacle]))


def _stand_in(folds: list[Fold], holdout: StoredHoldout, config: RankerConfig) -> StandIn | None:
    """Trained on the folds whose horizon was over when the holdout began; None when there is nothing to learn."""
    clean = [fold for fold in folds if fold.as_of + timedelta(days=HORIZON_DAYS) <= holdout.as_of]
    return StandIn(holdout.as_of, train(clean, config)) if can_learn(clean) else None


def _incumbent(
    connection: Connection, lake: Lake, slate: Slate, as_of: date, holdout: StoredHoldout
) -> _Incumbent | None:
    row = serving(connection, slate, as_of)
    if row is None:
        return None
    columns = next(lake.read_parquet(holdout.path, made_by="training_set")).column_names
    if reason := obstacle(lake, row, feature_names(columns)):
        return _Incumbent(row.model_version, None, f"the incumbent cannot serve: {reason}", can_serve=False)
    try:
        model = clean_model(lake, row, holdout.as_of)
    except AudoticsError as error:
        return _Incumbent(row.model_version, None, f"the incumbent's stand-in is not in order: {error}")
    reason = f"neither the incumbent nor a stand-in of it is older than the fold as of {holdout.as_of}"
    return _Incumbent(row.model_version, model, reason if model is None else "")


def _compare(
    lake: Lake,
    challenger: Challenger,
    incumbent: _Incumbent | None,
    holdout: StoredHoldout,
    gate: PromotionConfig,
) -> tuple[Decision, tuple[Audience, Performance] | None]:
    """The decision, and what the stand-in made of the holdout, from one pass over it."""
    models: dict[str, RankerModel] = {}
    if challenger.stand_in:
        models["challenger"] = challenger.stand_in.model
        if incumbent and incumbent.model:
            models["incumbent"] = incumbent.model
    performed: tuple[Audience, dict[str, Performance]] | None = None
    if models:
        performed = perform(models, _batches(lake, holdout, challenger.slate))
    decision = _decide(incumbent, performed, gate)
    if decision.figures:
        decision = replace(decision, figures={"holdout": holdout.as_of.isoformat(), **decision.figures})
    return decision, (performed[0], performed[1]["challenger"]) if performed else None


def _batches(lake: Lake, holdout: StoredHoldout, slate: Slate) -> Iterator[Holdout]:
    """The holdout, a batch of its users at a time."""
    for table in lake.read_parquet(holdout.path, made_by="training_set"):
        if table.num_rows:
            yield holdout_of(table.to_pandas(), LISTS[slate])


def _decide(
    incumbent: _Incumbent | None,
    performed: tuple[Audience, dict[str, Performance]] | None,
    gate: PromotionConfig,
) -> Decision:
    if performed and "incumbent" in performed[1]:
        audience, by_role = performed
        return decide(audience, by_role["challenger"], by_role["incumbent"], gate)
    figures = None
    if performed:
        audience, by_role = performed
        figures = {"users": len(audience.users), "challenger": quality(by_role["challenger"])}
    if incumbent is None:
        return Decision(True, ["there is no incumbent"], figures)
    if not incumbent.can_serve:
        return Decision(True, [incumbent.obstacle], figures)
    obstacle = incumbent.obstacle or "history is too short to train a stand-in that has not seen the holdout"
    return Decision(False, [f"it could not be compared with the incumbent: {obstacle}"], figures)
