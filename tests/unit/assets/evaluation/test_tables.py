"""A stored evaluation as people read it: rows of tables, and what the command line prints."""

from typing import Any

import pytest

from assets.evaluation.tables import candidate_recall_rows, list_rows, metric_rows, segment_rows
from assets.metrics.lists import FIGURES
from orchestration.cli import rendering
from orchestration.cli.reports import print_evaluation


def measured(mean: float) -> dict[str, Any]:
    return {"mean": mean, "ci95": [mean - 0.01, mean + 0.01]}


def segment(by: str, name: str, metric: str) -> dict[str, Any]:
    return {
        "by": by,
        "segment": name,
        "users": 12_345,
        "listens": [1, 40],
        "relevant": 99,
        "metric": metric,
        # As JSON of PostgreSQL has them: in no order that means anything.
        "models": {"als": measured(0.25), "ranker": measured(0.5)},
        "paired": {"against": "als", "metric": metric, "delta": 0.25, "ci95": [0.2, 0.3]},
    }


@pytest.fixture
def stored() -> dict[str, Any]:
    models = ("ranker", "als", "session_cooccurrence")
    figures = dict.fromkeys(FIGURES, 0.123456)
    slate = {
        "users": 20_000,
        "models": {model: {"ndcg@10": 0.1, "ndcg@100": 0.2, "recall@100": 0.3} for model in models},
        "paired": {"against": "als", "metric": "ndcg@100", "delta": 0.0, "ci95": [-0.1, 0.1]},
        "lists": {model: figures | {"artist_gini@10": None} for model in models},
        "segments": [
            segment("listeners", "new", "ndcg@100"),
            segment("country", "United Kingdom", "ndcg@100"),
            segment("tracks", "head", "recall@100"),
        ],
        "pool": {
            "size": 250.25,
            "recall": measured(0.4),
            "sources": [
                {"source": "ease", "in_pool": False, "size": 100, "offered": 99.0, "recall": 0.3}
                | {"marginal": measured(0.02)},
                {"source": "session_cooccurrence", "in_pool": True, "size": 100, "offered": 80.0, "recall": 0.2}
                | {"marginal": measured(0.1)},
            ],
        },
    }
    return {"as_of": "2015-01-01", "horizon_days": 14, "slates": {"discover": slate}}


def test_there_is_a_row_per_model_with_its_metrics_and_one_with_its_figures(stored: dict[str, Any]) -> None:
    assert metric_rows(stored)[1] == {
        "slate": "discover",
        "model": "als",
        "ndcg@10": 0.1,
        "ndcg@100": 0.2,
        "recall@100": 0.3,
    }
    rows = list_rows(stored)
    assert [row["model"] for row in rows] == ["ranker", "als", "session_cooccurrence"]
    assert list(rows[0]) == ["slate", "model", *FIGURES]
    assert (rows[0]["novelty@10"], rows[0]["artist_gini@10"]) == (0.1235, None)


def test_the_rows_of_a_segment_begin_with_the_model_in_question(stored: dict[str, Any]) -> None:
    first, second, *_ = segment_rows(stored)
    assert first == {
        "slate": "discover",
        "by": "listeners",
        "segment": "new",
        "users": 12_345,
        "relevant": 99,
        "metric": "ndcg@100",
        "model": "ranker",
        "mean": 0.5,
        "ci95": "0.4900 to 0.5100",
        "ahead_by": 0.25,
        "ahead_ci95": "0.2000 to 0.3000",
    }
    assert (second["model"], second["mean"], second["ahead_by"], second["ahead_ci95"]) == ("als", 0.25, None, None)


def test_lists_that_are_compared_with_nothing_have_rows_of_their_own(stored: dict[str, Any]) -> None:
    (one,) = [segment("tracks", "tail", "recall@100") | {"models": {"lists": measured(0.5)}, "paired": None}]
    stored["slates"]["discover"]["segments"] = [one]
    (row,) = segment_rows(stored)
    assert (row["model"], row["ahead_by"]) == ("lists", None)


def test_the_rows_of_a_pool_begin_with_the_whole_and_say_which_sources_are_in_it(stored: dict[str, Any]) -> None:
    whole, ease, sessions = candidate_recall_rows(stored)
    assert whole == {
        "slate": "discover",
        "source": "pool",
        "in_pool": None,
        "tracks_per_user": 250.2,
        "recall": 0.4,
        "marginal": None,
        "ci95": "0.3900 to 0.4100",
    }
    assert [(row["source"], row["in_pool"], row["marginal"], row["ci95"]) for row in (ease, sessions)] == [
        ("ease", "no", 0.02, "0.0100 to 0.0300"),
        ("session_cooccurrence", "yes", 0.1, "0.0900 to 0.1100"),
    ]
    stored["slates"]["discover"]["pool"] = None
    assert candidate_recall_rows(stored) == []


def test_the_command_prints_every_table_in_80_columns(
    stored: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "OUT", rendering.plain_console(width=80))
    print_evaluation(stored)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for line in (
        "what the lists are like",
        "ndcg@100 by listeners, against als",
        "│ 0.5000 │   0.2500 │ +0.2500 [+0.2000, +0.3000] │",
        "United Kingdom",
        "recall@100 by relevant tracks",
        "session_cooccurrence │ 80.0   │ 0.2000 │ +0.1000 [+0.0900, +0.1100]",
        "(ease)               │ 99.0   │ 0.3000 │ +0.0200 [+0.0100, +0.0300]",
    ):
        assert line in shown
