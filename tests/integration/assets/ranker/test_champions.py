"""Which model serves on a date: one view, for whoever asks."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, text

from assets.ranker.dataset import Fold
from assets.ranker.promotion_store import list_models, record_succession
from assets.ranker.registry import Challenger, champions, has_champions, register, serving, store_files
from assets.ranker.training import RankerConfig, train
from assets.slates import Slate
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.lake import Lake
from warehouse.roles import Role

START = date(2026, 3, 2)
DAYS = [START + timedelta(days=7 * week) for week in range(4)]
CONFIG = RankerConfig(trees=1, min_child_samples=5, lambda_l2=0.1)


@pytest.fixture(scope="module")
def warehouse_url(new_warehouse: Callable[[], str]) -> str:
    return new_warehouse()


@pytest.fixture
def connection(warehouse_url: str) -> Iterator[Connection]:
    """Of the service; nothing that a test does stays."""
    with create_engine(warehouse_url, Role.SERVICE).connect() as connected:
        yield connected


def challenger(trained_as_of: date, feature: str = "score_als", slate: Slate = Slate.FOR_YOU) -> Challenger:
    x = np.random.default_rng(trained_as_of.toordinal()).random((100, 1)).astype(np.float32)
    fold = Fold(trained_as_of, [feature], x, (x[:, 0] > 0.5).astype(np.int8), np.arange(100, dtype=np.int32))
    return Challenger(slate, trained_as_of, train([fold], CONFIG), 100, None)


def promoted(connection: Connection, lake: Lake, model: Challenger, serves_from: date, decided: int) -> str:
    """The version of a model that was promoted so many minutes after the first one."""
    store_files(lake, model)
    register(connection, model, {})
    connection.execute(
        text(
            "insert into ml.promotions (model_version, decided_at, slate, decision, serves_from, decided_by,"
            " override_reason, reasons) values (:version, timestamptz '2026-01-01' + :decided * interval '1 minute',"
            " :slate, 'promoted', :serves_from, 'gate', :decided, '')"
        ),
        {
            "version": model.model_version,
            "decided": decided,
            "slate": str(model.slate),
            "serves_from": serves_from,
        },
    )
    return model.model_version


@pytest.mark.parametrize("seed", range(5))
def test_the_latest_start_serves_and_of_equal_ones_what_was_decided_last(
    connection: Connection, tmp_path: Path, seed: int
) -> None:
    draw, lake = np.random.default_rng(seed), Lake(str(tmp_path))
    decided: dict[Slate, list[tuple[date, int, str]]] = {slate: [] for slate in Slate}
    assert not has_champions(connection, START)
    for minute in range(8):
        slate = list(Slate)[int(draw.integers(3))]
        model = challenger(START - timedelta(days=minute), slate=slate)
        serves_from = DAYS[int(draw.integers(len(DAYS)))]
        decided[slate].append((serves_from, minute, promoted(connection, lake, model, serves_from, minute)))
    newest = set()
    for slate, of_slate in decided.items():
        for day in (START - timedelta(days=1), *DAYS, DAYS[-1] + timedelta(days=100)):
            started = [each for each in of_slate if each[0] <= day]
            expected = max(started)[2] if started else None
            row = serving(connection, slate, day)
            assert (row.model_version if row else None) == expected
        newest |= {max(of_slate)[2]} if of_slate else set()
    assert {each.model_version for each in list_models(connection, None) if each.serving} == newest
    assert {each.model_version for each in champions(connection, lake, date(2030, 1, 1)).values()} == newest


def test_a_champion_that_cannot_serve_is_named_with_the_command_that_helps_and_then_succeeded(
    connection: Connection, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    good, needy = challenger(START), challenger(START, feature="score_gone")
    promoted(connection, lake, good, START, 1)
    promoted(connection, lake, needy, START, 2)
    night = START + timedelta(days=1)
    message = rf"score_gone\); `audotics run --as-of {night} --train` trains another, which then serves"
    with pytest.raises(AudoticsError, match=message):
        champions(connection, lake, night)
    record_succession(connection, good, needy.model_version, "the incumbent cannot serve")
    assert champions(connection, lake, night)[Slate.FOR_YOU].model_version == good.model_version
    lake.remove(f"models/{good.model_version}.txt")
    with pytest.raises(AudoticsError, match=rf"not in the lake.*`audotics run --as-of {night} --train`"):
        champions(connection, lake, night)
