"""What names the folds of the training set, and what is read of it where there is nothing to read."""

import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from assets.candidates.pool import SourcesConfig
from assets.ranker.folds import FoldMaker
from assets.ranker.training import RankerConfig
from assets.ranker.training_set import load_folds
from assets.slates import Slate
from assets.staleness import code_digest
from tests.unit.assets.candidates.small_listens import AS_OF, random_listens
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


def test_a_slate_has_no_folds_when_it_had_nothing_to_learn_and_is_refused_when_it_was_not_made(tmp_path: Path) -> None:
    lake, as_of, config = Lake(str(tmp_path)), date(2026, 3, 2), RankerConfig()
    with pytest.raises(AudoticsError, match="materialise `training_set` for that date first"):
        load_folds(lake, as_of, Slate.DISCOVER, config)
    lake.write_text("training/as_of=2026-02-09/for_you-0123456789ab.parquet", "")
    assert load_folds(lake, as_of, Slate.DISCOVER, config) == []


def test_another_number_of_threads_names_the_same_folds_and_stands_in_no_config(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listens, as_of = random_listens(), AS_OF - timedelta(days=14)
    names, configs = set(), set()
    for threads in ("1", "7"):
        monkeypatch.setenv("AUDOTICS_THREADS", threads)
        sources, ranker = SourcesConfig(), RankerConfig()
        maker = FoldMaker(None, listens, as_of, sources, ranker.negatives, ranker.seed)
        names.add(maker.fingerprint("features", code_digest("assets.ranker.folds")))
        configs.add(json.dumps([asdict(sources), asdict(ranker)]))
    assert len(names) == len(configs) == 1
    assert "threads" not in configs.pop()
