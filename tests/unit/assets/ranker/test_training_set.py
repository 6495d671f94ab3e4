"""What a training fold's file is named after."""

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from assets.candidates.pool import SourcesConfig
from assets.listens import Listens
from assets.ranker import training_set
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import load_folds
from assets.slates import Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake

ASSETS = Path(training_set.__file__).parents[1]
NONE = Listens(*(np.zeros(0, np.int64) for _ in range(4)))


def fingerprint() -> str:
    return training_set._fingerprint(NONE, NONE, SourcesConfig(), RankerConfig(), "features")


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the code that the fingerprint is taken of."""
    shutil.copytree(ASSETS, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(training_set, "_ASSETS", tmp_path)
    return tmp_path


def test_the_same_code_in_another_place_has_the_same_fingerprint(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = fingerprint()
    monkeypatch.setattr(training_set, "_ASSETS", ASSETS)
    assert fingerprint() == here


@pytest.mark.parametrize(
    "file",
    [
        "candidates/als.py",
        "candidates/history.py",
        "candidates/pool.py",
        "candidates/session_cooccurrence.py",
        "ranker/dataset.py",
        "features/join.py",
        "metrics/protocol.py",
        "ranker/holdout.py",
    ],
)
def test_a_change_in_code_that_makes_rows_is_another_fold(code: Path, file: str) -> None:
    before = fingerprint()
    with (code / file).open("a") as stream:
        stream.write("MORE = 1\n")
    assert fingerprint() != before


def test_a_new_candidate_source_is_another_fold(code: Path) -> None:
    before = fingerprint()
    (code / "candidates" / "neighbours.py").write_text("")
    assert fingerprint() != before


def test_a_change_in_how_rankers_are_trained_keeps_the_folds(code: Path) -> None:
    before = fingerprint()
    (code / "ranker" / "training.py").write_text("")
    assert fingerprint() == before


def test_a_slate_has_no_folds_when_it_had_nothing_to_learn_and_is_refused_when_nobody_looked(tmp_path: Path) -> None:
    lake, as_of, config = Lake(str(tmp_path)), date(2026, 3, 2), RankerConfig()
    with pytest.raises(AudoticsError, match="materialise `training_set` for that date first"):
        load_folds(lake, as_of, Slate.DISCOVER, config)
    lake.write_text("training/as_of=2026-02-09/for_you-0123456789ab.parquet", "")
    assert load_folds(lake, as_of, Slate.DISCOVER, config) == []
