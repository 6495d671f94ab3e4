"""What PostgreSQL counts gives the figures that Evidently gives for the same rows."""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evidently_environment import evidently_python
from feature_nights import COLUMNS, MART, NIGHT, fill
from sqlalchemy import text

from assets.drift.features import NEAREST_DAYS, rows_of
from assets.drift.spreads import Edges, bin_counts, quantile_edges
from quality.drift import jensen_shannon, stability_index
from tests.repository import ROOT
from warehouse.engine import create_engine

REFERENCE = NIGHT - timedelta(days=NEAREST_DAYS)
# Up to so many values, Evidently takes a number for a category.
_CATEGORIES = 20
_PLANTED = (
    f"update features.{MART} set listens_7d = listens_7d * 2, days_since_last = days_since_last * 1.3,"
    f" skip_rate = power(skip_rate, 0.8) where as_of = '{NIGHT}';"
    f"update features.{MART} set listens = listens % 7 + case when as_of = '{NIGHT}' then user_key % 2 else 0 end"
)

pytestmark = pytest.mark.slow


@pytest.fixture
def frames(warehouse_url: str) -> dict[str, pd.DataFrame]:
    """The rows of both dates, reference and current: one column has few values, others have moved, some are null."""
    with create_engine(warehouse_url).begin() as connection:
        fill(connection)
        connection.execute(text(_PLANTED))
        whole = pd.read_sql(text(f"select * from features.{MART}"), connection, parse_dates=["as_of"])
    # An age is counted as it was on the reference.
    whole["days_since_first"] -= NEAREST_DAYS * (whole["as_of"].dt.date == NIGHT)
    days = {"reference": REFERENCE, "current": NIGHT}
    return {name: whole.loc[whole["as_of"].dt.date == day, list(COLUMNS)] for name, day in days.items()}


def evidently(frames: Mapping[str, pd.DataFrame], folder: Path) -> dict[str, dict[str, float]]:
    paths = [folder / f"{name}.parquet" for name in ("reference", "current")]
    for path in paths:
        frames[path.stem].to_parquet(path)
    command = [str(evidently_python()), str(ROOT / "tests" / "integration" / "evidently_figures.py"), *map(str, paths)]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    figures: dict[str, dict[str, float]] = json.loads(done.stdout)
    return figures


def ours(warehouse_url: str, edges: Edges | None = None) -> tuple[dict[str, dict[str, float]], Edges]:
    """The figures by what PostgreSQL counts; the edges are those of the checks unless they are given."""
    with create_engine(warehouse_url).connect() as connection:
        rows = rows_of(connection, MART)
        edges = edges or quantile_edges(connection, rows, REFERENCE)
        found = bin_counts(connection, rows, REFERENCE, NIGHT, edges)
    figures = {}
    for name in COLUMNS:
        bins = found[REFERENCE][name], found[NIGHT][name]
        figures[name] = {"psi": stability_index(*bins), "jensenshannon": jensen_shannon(*bins)}
    return figures, edges


def edges_of_evidently(frames: Mapping[str, pd.DataFrame]) -> Edges:
    """Between the bins that it makes: of equal width, or one for each value where there are few."""
    edges = {}
    for name in COLUMNS:
        reference, current = (frames[each][name].dropna() for each in ("reference", "current"))
        both = np.concatenate([reference, current])
        many = reference.nunique() > _CATEGORIES
        edges[name] = (np.histogram_bin_edges(both, "sturges")[1:-1] if many else np.unique(both)[1:]).tolist()
    return edges


def agree(found: Mapping[str, Mapping[str, float]], expected: Mapping[str, Mapping[str, float]]) -> None:
    assert max(each["psi"] for each in expected.values()) > 0.1
    for name in COLUMNS:
        assert found[name] == pytest.approx(expected[name], rel=0.01), name


def test_over_the_bins_that_evidently_makes_the_figures_are_its_own(
    warehouse_url: str, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    found, _ = ours(warehouse_url, edges_of_evidently(frames))
    agree(found, evidently(frames, tmp_path))


def test_of_the_bins_of_the_checks_evidently_says_the_same(
    warehouse_url: str, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    found, edges = ours(warehouse_url)

    def binned(frame: pd.DataFrame) -> pd.DataFrame:
        bins = {name: np.searchsorted(edges[name], frame[name], side="right").astype(str) for name in COLUMNS}
        return pd.DataFrame(bins, index=frame.index).where(frame.notna(), None)

    agree(found, evidently({name: binned(frame) for name, frame in frames.items()}, tmp_path))
