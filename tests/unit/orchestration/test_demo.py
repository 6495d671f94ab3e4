"""What the demo prints, and the world that it makes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from assets.ingest.sample_world import PLANTED_FILE, SampleWorld
from orchestration.cli import rendering
from orchestration.cli.demo import print_details, print_screen
from orchestration.demo import Demo, sample_world
from orchestration.runs import Progress, RunReport, Stage
from warehouse.errors import AudoticsError

DAY = date(2026, 6, 1)
LONG = "The Black-Robed Obelisk of the Drowned, Part II: Beneath the Starless Hymn"
SLATES = ("for_you", "discover", "rediscover")
STAGES = ("raw_tables", "core_models", "feature_models", "similar_tracks", "similar_artists", "candidates")
STAGES += ("training_set", "rankers", "recommendations", "ml_models", "release")


def measured(mean: float) -> dict[str, Any]:
    return {"mean": mean, "ci95": [mean, mean]}


def evaluated() -> dict[str, Any]:
    models = ("ranker", "own_plays", "session_cooccurrence", "item_neighbours", "als", "popular")
    return {
        "users": 842,
        "models": {model: {"ndcg@10": 0.1, "ndcg@100": 0.2, "recall@100": 0.3} for model in models},
        "paired": {"against": "own_plays", "metric": "ndcg@100", "delta": 0.0, "ci95": [-0.1, 0.1]},
        "lists": {},
        "segments": [],
        "pool": None,
    }


@pytest.fixture
def done() -> Demo:
    checks = [Stage(f"features__feat_{each}_suite", 0.2, 900.0, only_checks=True) for each in range(7)]
    run = RunReport("run", "nightly", DAY, (*(Stage(name, 1.5, 800.0) for name in STAGES), *checks), 1000.0, {})
    evaluation_run = RunReport("run", "evaluation", DAY, (Stage("model_evaluations", 10.0, 1100.0),), 1100.0, {})
    items = [
        {"rank": rank, "title": f"{rank} {LONG}", "artist": LONG, "score": 0.5, "reason": {"title": LONG}}
        for rank in range(1, 6)
    ]
    answers = [
        {
            "request": f"GET {user}",
            "most_played_artists": ["[unknown]", "Hertz-null"],
            "response": {"user_id": user, "slate": slate, "source": "personal", "release": "r", "items": items},
        }
        for user in ("user_000001", "user_000002", "user_000003")
        for slate in SLATES
    ]
    answers[-1]["response"] = answers[-1]["response"] | {"items": []}
    evaluation = {"as_of": "2026-06-01", "horizon_days": 14, "slates": {slate: evaluated() for slate in SLATES}}
    rows = {f"rows_{name}": {"planted": 9, "found": 9} for name in ("read", "loaded", "rejected", "duplicate")}
    return Demo(rows, run, evaluation_run, evaluation, answers, 100.0)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A screen of 80 columns in place of standard output, which keeps what it was shown."""
    console = rendering.plain_console(width=80, record=True)
    monkeypatch.setattr(rendering, "OUT", console)
    return console


def test_the_demo_fits_on_one_screen_and_says_what_happened(done: Demo, screen: Console) -> None:
    print_screen(done)
    shown = screen.export_text()
    lines = shown.splitlines()
    assert len(lines) <= 50
    # What the terminal breaks is to be copied whole; all the rest is cut.
    assert [line for line in lines if len(line) > 80 and not line.startswith("done in")] == []
    for name in (*STAGES, "7 checks", "model_evaluations", "total", *SLATES, "own_plays", "[unknown], Hertz-null"):
        assert name in shown, name
    assert "als" not in shown, "the ranker, the best of the others, and what is popular"
    assert "1 The Black-Robed" in shown and "2 The Black-Robed" not in shown


def test_the_details_of_the_demo_are_everything(done: Demo, screen: Console) -> None:
    print_details(done)
    shown = screen.export_text()
    for name in ("features__feat_6_suite", "als", "5 The Black-Robed", "GET user_000003"):
        assert name in shown, name


@contextmanager
def quiet(what: str) -> Iterator[Progress]:
    def say(step: str, done: int, total: int, lines: Sequence[str]) -> None:
        assert done <= total

    yield say


def test_a_world_of_another_size_is_not_made_over_the_one_that_is_there(tmp_path: Path) -> None:
    folder, until = sample_world(tmp_path, 20, quiet)
    assert until == datetime.now(UTC).date() and (folder / PLANTED_FILE).exists()
    assert sample_world(tmp_path, None, quiet) == sample_world(tmp_path, 20, quiet) == (folder, until)
    with pytest.raises(AudoticsError, match=r"a sample world of 20 users .* AUDOTICS_HOME .* 30 users"):
        sample_world(tmp_path, 30, quiet)


def test_the_world_grows_with_its_users() -> None:
    default = SampleWorld(until=DAY)
    assert SampleWorld.of_users(default.users, DAY) == default
    small, large = SampleWorld.of_users(200, DAY), SampleWorld.of_users(20_000, DAY)
    assert (small.tracks, small.listens) == (1_000, 40_000)
    assert (large.tracks, large.listens) == (100_000, 4_000_000)
    assert SampleWorld.of_users(20, DAY).tracks == 200, "every genre has some"
