"""Track vectors of one night are fitted once, and never taken from other listens or another config."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.candidates import track_vectors
from assets.candidates.als import AlsConfig, fit_track_vectors
from assets.candidates.history import History
from assets.candidates.track_vectors import StoredTrackVectors
from assets.listens import Floats
from tests.unit.assets.candidates.conformance import AS_OF, checkerboard, random_listens
from warehouse.lake import Lake

CONFIG = AlsConfig(factors=8, regularization=1.0, iterations=2)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[AlsConfig]:
    """The config of every fit, in order."""
    made: list[AlsConfig] = []

    def counted(history: History, config: AlsConfig) -> Floats:
        made.append(config)
        return fit_track_vectors(history, config)

    monkeypatch.setattr(track_vectors, "fit_track_vectors", counted)
    return made


def test_the_same_listens_are_fitted_once_and_give_the_same_bits(tmp_path: Path, fits: list[AlsConfig]) -> None:
    vectors_of = StoredTrackVectors(Lake(str(tmp_path)))
    first = vectors_of(History(random_listens(), AS_OF), CONFIG)
    again = StoredTrackVectors(Lake(str(tmp_path)))(History(random_listens(), AS_OF), CONFIG)
    assert len(fits) == 1
    assert np.array_equal(first, again)
    assert np.array_equal(first, fit_track_vectors(History(random_listens(), AS_OF), CONFIG))


def test_other_listens_or_another_config_are_another_fit(tmp_path: Path, fits: list[AlsConfig]) -> None:
    vectors_of = StoredTrackVectors(Lake(str(tmp_path)))
    vectors_of(History(random_listens(), AS_OF), CONFIG)
    vectors_of(History(random_listens(seed=6), AS_OF), CONFIG)
    vectors_of(History(checkerboard(), AS_OF), CONFIG)
    vectors_of(History(random_listens(), AS_OF), replace(CONFIG, seed=2))
    assert len(fits) == 4
