"""Which models the gate compares, so that none has seen the holdout, and what it does when it cannot."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from assets.features.dates import fold_dates
from assets.ranker.challenge import _decide, _Incumbent, _stand_in, _too_little
from assets.ranker.dataset import Fold
from assets.ranker.promotion import Decision, PromotionConfig
from assets.ranker.registry import Challenger, ModelRow, StandIn, clean_model, obstacle, store_files
from assets.ranker.training import FEWEST_LISTENERS, RankerConfig, train
from assets.ranker.training_set import StoredHoldout
from assets.slates import HORIZON_DAYS, Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake

AS_OF = date(2026, 3, 2)
CONFIG = RankerConfig(trees=2, min_child_samples=5, lambda_l2=0.1)
NEWEST = StoredHoldout(fold_dates(AS_OF, 1)[0], "holdout/x.parquet")


def fold(as_of: date, positives: int = 20) -> Fold:
    """The label follows the one feature; each fold's values are its own."""
    x = np.random.default_rng(as_of.toordinal()).random((100, 1)).astype(np.float32)
    label = np.zeros(100, np.int8)
    label[np.argsort(-x[:, 0])[:positives]] = 1
    return Fold(as_of, ["score_als"], x, label, np.arange(100, dtype=np.int32))


def folds() -> list[Fold]:
    return [fold(day) for day in fold_dates(AS_OF, CONFIG.folds)]


def test_a_stand_in_learns_from_the_folds_that_were_over_when_the_holdout_one_began() -> None:
    stand_in = _stand_in(folds(), NEWEST, CONFIG)
    assert stand_in is not None
    assert stand_in.as_of == NEWEST.as_of == date(2026, 2, 16)
    assert stand_in.model.fold_dates == [date(2026, 2, 2), date(2026, 1, 26), date(2026, 1, 19), date(2026, 1, 12)]
    assert all(day + timedelta(days=HORIZON_DAYS) <= stand_in.as_of for day in stand_in.model.fold_dates)
    assert stand_in.model.text == train(folds()[2:], CONFIG).text


def test_without_a_fold_that_was_over_or_anything_to_learn_in_it_there_is_no_stand_in() -> None:
    newest, next_to_it, *older = folds()
    assert _stand_in([newest, next_to_it], NEWEST, CONFIG) is None
    assert _stand_in([newest, next_to_it, fold(older[0].as_of, positives=0)], NEWEST, CONFIG) is None


def test_why_there_is_no_ranker_is_said() -> None:
    assert _too_little(folds(), FEWEST_LISTENERS) is None
    assert _too_little(folds(), 1) == f"its folds are of 1 listener, and a ranker needs {FEWEST_LISTENERS}"
    assert _too_little([], 0) == "in its folds, nobody with earlier listens played a track that it may list"
    nothing = _too_little([fold(AS_OF, positives=0)], FEWEST_LISTENERS)
    assert nothing == "in none of its folds was one candidate listened to and another not"


def test_a_model_of_too_few_rows_splits_nothing() -> None:
    assert train(folds(), CONFIG).splits
    assert not train(folds(), replace(CONFIG, min_child_samples=1000)).splits


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def row(lake: Lake, trained_as_of: date, stand_in_as_of: date | None) -> ModelRow:
    """A row of ml.models whose files are in the lake: the model has one tree, its stand-in two."""
    stand_in = stand_in_as_of and StandIn(stand_in_as_of, train(folds(), CONFIG))
    model = train(folds(), RankerConfig(trees=1, min_child_samples=5))
    challenger = Challenger(Slate.FOR_YOU, trained_as_of, model, 100, stand_in or None)
    store_files(lake, challenger)
    version = challenger.model_version
    return ModelRow(
        model_version=version,
        slate=Slate.FOR_YOU,
        trained_as_of=trained_as_of,
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
        file=f"models/{version}.txt",
        file_sha256=_sha256(model.text),
        stand_in_as_of=stand_in_as_of,
        stand_in_file=f"models/{version}-stand-in.txt",
        stand_in_sha256=_sha256(stand_in.model.text) if stand_in else None,
        features=model.names,
        feature_importance=model.gain,
        folds=model.fold_dates,
        training_rows=model.rows,
        training_users=challenger.users,
        card=None,
        metrics={"training_positives": model.positives},
        params={"seed": 1, "gone since": 7},
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("trained", "stand_in", "trees"),
    [
        (NEWEST.as_of, None, 1),
        (NEWEST.as_of, NEWEST.as_of - timedelta(days=14), 1),
        (NEWEST.as_of + timedelta(days=1), NEWEST.as_of - timedelta(days=13), 2),
        (AS_OF, NEWEST.as_of, 2),
        (AS_OF, NEWEST.as_of + timedelta(days=1), None),
        (AS_OF - timedelta(days=7), None, None),
    ],
)
def test_an_incumbent_competes_itself_or_by_its_stand_in_but_never_having_seen_the_fold(
    lake: Lake, trained: date, stand_in: date | None, trees: int | None
) -> None:
    model = clean_model(lake, row(lake, trained, stand_in), NEWEST.as_of)
    assert (model.booster.num_trees() if model else None) == trees


def test_a_stand_in_that_was_tampered_with_is_not_compared(lake: Lake) -> None:
    stored = row(lake, AS_OF, NEWEST.as_of)
    assert stored.stand_in_file
    lake.write_text(stored.stand_in_file, "tree")
    with pytest.raises(AudoticsError, match=r"-stand-in.txt\) is not the one that was registered"):
        clean_model(lake, stored, NEWEST.as_of)


def test_a_model_can_serve_as_long_as_its_file_its_features_and_its_text_are_there(lake: Lake) -> None:
    stored = row(lake, AS_OF, NEWEST.as_of)
    assert obstacle(lake, stored, stored.features) is None
    # This feature is one of today's, which come from the sources and marts.
    assert stored.features == ["score_als"] and obstacle(lake, stored) is None
    needy = replace(stored, features=["score_als", "score_gone"])
    assert obstacle(lake, needy) == f"{stored.model_version} needs features that no longer exist (score_gone)"
    for text in ("", "tree", "no model at all"):
        lake.write_text("models/odd.txt", text)
        odd = replace(stored, file="models/odd.txt", file_sha256=_sha256(text))
        assert str(obstacle(lake, odd)).startswith(f"the text of {stored.model_version} cannot be scored")
        assert "is not the one that was registered" in str(obstacle(lake, replace(odd, file_sha256="0")))
    gone = replace(stored, file="models/gone.txt")
    assert (
        obstacle(lake, gone) == f"the file of model {stored.model_version} is not in the lake: restore models/gone.txt"
    )


def decide(incumbent: _Incumbent | None) -> Decision:
    return _decide(incumbent, None, PromotionConfig())


def test_a_challenger_without_an_incumbent_or_with_one_that_cannot_serve_is_promoted() -> None:
    assert decide(None) == Decision(True, ["there is no incumbent"])
    gone = _Incumbent("m", None, "the incumbent cannot serve: its file is gone", can_serve=False)
    assert decide(gone) == Decision(True, ["the incumbent cannot serve: its file is gone"])


@pytest.mark.parametrize("obstacle", ["no fold was kept whole", ""])
def test_a_challenger_that_cannot_be_compared_with_its_incumbent_is_refused(obstacle: str) -> None:
    decision = decide(_Incumbent("m", train(folds(), CONFIG), obstacle))
    assert not decision.promoted
    assert decision.reasons[0].startswith("it could not be compared with the incumbent: ")
    assert obstacle in decision.reasons[0]
