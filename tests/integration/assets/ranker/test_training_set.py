"""What is left of a training set whose lock was lost while it was made."""

import os
from datetime import date
from pathlib import Path

import pytest
from loading import ADVISORY_LOCKS, query
from pipeline_process import Pipeline
from sample_pipeline import AS_OF

from assets.candidates.pool import SourcesConfig
from assets.features.dates import fold_dates
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import update_training_set
from warehouse.engine import MODELS_LOCK, adbc_reader, exclusive
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.roles import Role

DAY, ONE_FOLD = date.fromisoformat(AS_OF), RankerConfig(folds=1)
FOLD = fold_dates(DAY, 1)[0]
LOST = r"lock of building models was lost .* run this again"


def update(pipeline: Pipeline, folder: Path, lost: bool) -> None:
    url = pipeline.warehouse_url
    with exclusive(url, MODELS_LOCK, Role.SERVICE) as lock, adbc_reader(url, Role.SERVICE) as reading:
        if lost:
            query(url, f"select pg_terminate_backend(pid) from {ADVISORY_LOCKS}")
        update_training_set(reading, Lake(str(folder)), DAY, SourcesConfig(), ONE_FOLD, "version", lock)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_lock_that_was_lost_leaves_no_fold_behind_and_takes_none_away(pipeline: Pipeline, tmp_path: Path) -> None:
    before = f"training/as_of={FOLD}/for_you-0123456789ab.parquet"
    lake = Lake(str(tmp_path))
    lake.write_text(before, "of another run")
    with pytest.raises(AudoticsError, match=LOST):
        update(pipeline, tmp_path, lost=True)
    assert files(tmp_path) == [before]
    update(pipeline, tmp_path, lost=False)
    made = files(tmp_path)
    assert before not in made
    assert {name.rsplit("-", 1)[0] for name in made} >= {
        f"{kind}/as_of={FOLD}/{slate}" for kind in ("training", "holdout") for slate in ("for_you", "discover")
    }
    # Nothing is to be written or removed: nothing needs the lock.
    update(pipeline, tmp_path, lost=True)
    assert files(tmp_path) == made
    # Nothing is to be written, as after a lock that was lost between the last write and the removals.
    for old in (before, before.replace("training", "holdout")):
        lake.write_text(old, "of another run")
        with pytest.raises(AudoticsError, match=LOST):
            update(pipeline, tmp_path, lost=True)
        assert files(tmp_path) == sorted([*made, old])
        lake.remove(old)
    # A whole fold of an older training goes by its age.
    old = "holdout/as_of=2000-01-01/for_you-0123456789ab.parquet"
    lake.write_text(old, "of another run")
    os.utime(tmp_path / old, (0, 0))
    with pytest.raises(AudoticsError, match=LOST):
        update(pipeline, tmp_path, lost=True)
    assert files(tmp_path) == sorted([*made, old])
    update(pipeline, tmp_path, lost=False)
    assert files(tmp_path) == made


def test_a_fold_that_was_cut_is_said_to_be_and_made_again_once_it_is_removed(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    update(pipeline, tmp_path, lost=False)
    (fold,) = tmp_path.glob(f"training/as_of={FOLD}/for_you-*.parquet")
    whole = fold.read_bytes()
    fold.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        with pytest.raises(
            AudoticsError, match=rf"{fold.name} in the lake .* remove it, and materialise `training_set"
        ):
            update(pipeline, tmp_path, lost=False)
    fold.unlink()
    update(pipeline, tmp_path, lost=False)
    assert fold.read_bytes() == whole
