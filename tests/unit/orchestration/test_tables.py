"""Tables of the command line on a screen of 80 columns: nothing that a person reads or copies is torn apart."""

from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from rich.console import Console

from assets.ranker.training import RankerConfig
from orchestration.cli import rendering, replay, search
from warehouse.wording import counted

TRACK_IDS = ["66d1d76f-aa3e-456c-b04d-10880efa08c0", "nm-0f343b0931126a20f133d67c2b018a3b"]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A screen of 80 columns in place of standard output, which keeps what it was shown."""
    console = rendering.plain_console(width=80, record=True)
    monkeypatch.setattr("orchestration.cli.rendering.OUT", console)
    return console


def cells(console: Console) -> list[list[str]]:
    """The cells of what tables were shown, line by line: what does not fit is folded or cut there."""
    lines = console.export_text().splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def trial(number: int, config: RankerConfig) -> dict[str, Any]:
    return {
        "slate": "rediscover",
        "trial": number,
        "state": "complete" if number < 4 else "pruned",
        "chosen": number == 3,
        "ndcg_100": 0.3456 + number / 1000,
        "delta": 0.0123,
        "ci95": [-0.0045, 0.0678] if number else None,
        "params": asdict(config),
        "validation_dates": ["2014-11-17", "2014-11-10", "2014-11-03"],
        "users": 4321,
        "default_ndcg_100": 0.3456,
    }


def test_the_trials_of_a_search(screen: Console) -> None:
    widest = RankerConfig(
        objective="rank_xendcg", folds=12, trees=1000, learning_rate=0.0999, min_child_samples=1000, lambda_l2=100.0
    )
    search._print("rediscover", [trial(0, RankerConfig()), trial(3, widest), trial(4, widest)])
    assert cells(screen) == [
        ["3", "chosen", "0.3486", "+0.0123 [-0.0045, +0.0678]", "rank_xendcg"],
        ["default", "", "0.3456", "", "binary"],
        ["3", "12", "1,000", "15", "0.0999", "1,000", "100.0000"],
        ["default", "6", "150", "15", "0.0200", "200", "10.0000"],
    ]


def test_the_lists_of_a_replay(screen: Console) -> None:
    items = [
        {
            "rank": rank,
            "track_id": track_id,
            "title": "Peak-Time Function (Warehouse Cut)",
            "artist": "Hertz-null",
            "score": 0.25,
            "source": "session_cooccurrence",
        }
        for rank, track_id in enumerate(TRACK_IDS, 99)
    ]
    items.append(items[0] | {"rank": 101, "artist": None} | {"title": "Untold"})
    items.append(items[0] | {"rank": 102, "title": None, "artist": None})
    replay._print(date(2026, 6, 1), {}, [{"user_id": "user_000431", "slate": "discover", "items": items}])
    shown = cells(screen)
    assert [row[0] for row in shown if row[0]] == ["99", "100", "101", "102"]
    assert [row[1] for row in shown if row[0] in ("101", "102")] == ["Untold", ""]
    assert {row[1] for row in shown} >= {*TRACK_IDS, "Hertz-null"}
    assert [row[2:] for row in shown if row[0]] == [["0.2500", "session_cooccurrence"]] * 4


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 blocks were"), (1, "1 block was"), (2, "2 blocks were"), (2000, "2,000 blocks were")]
)
def test_a_noun_and_its_verb_are_in_the_number_that_is_counted(number: int, said: str) -> None:
    assert counted(number, "block", ("was", "were")) == said
    assert counted(number, "block") == said.rpartition(" ")[0]
