"""What is read of the training set where there is nothing to read."""

from datetime import date
from pathlib import Path

import pytest

from assets.ranker.training import RankerConfig
from assets.ranker.training_set import load_folds
from assets.slates import Slate
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


def test_a_slate_has_no_folds_when_it_had_nothing_to_learn_and_is_refused_when_it_was_not_made(tmp_path: Path) -> None:
    lake, as_of, config = Lake(str(tmp_path)), date(2026, 3, 2), RankerConfig()
    with pytest.raises(AudoticsError, match="materialise `training_set` for that date first"):
        load_folds(lake, as_of, Slate.DISCOVER, config)
    lake.write_text("training/as_of=2026-02-09/for_you-0123456789ab.parquet", "")
    assert load_folds(lake, as_of, Slate.DISCOVER, config) == []
