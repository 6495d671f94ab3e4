"""Names are printed as they are: a track may be called [unknown], a user [/b], a file :smile:.csv."""

import ast
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from assets.ingest.preview import Preview
from assets.ingest.records import LoadReport
from assets.replay.comparison import Change, SlateComparison
from assets.slates import Slate
from orchestration import cli
from orchestration.cli import ingest_reports, rendering, replay, reports
from orchestration.runs import RunReport, Stage
from tests.repository import ROOT

# What Rich takes for a style, the end of none, an emoji; what Markdown and a terminal take for something else.
NAMES = ["[unknown]", "[/]", "[/b]", "[bold]x", "[link=x]y[/link]", ":smile:", "a|b", "`c`", "**d**", "e\\[f]", "{g}"]
DAY = date(2026, 6, 1)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """A wide screen with colours in place of standard output and standard error, which keeps what it was shown."""
    console = rendering.plain_console(width=400, record=True, force_terminal=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    for name in ("OUT", "ERR"):
        monkeypatch.setattr(rendering, name, console)
    yield console
    console.file.close()


def print_reports(name: str) -> None:
    counts = {"rows_read": 3, "rows_loaded": 1, "rows_rejected": 1, "rows_duplicate": 0, "rows_left_out": 1}
    told: dict[str, Any] = {
        "rejected_by_reason": {f"reason {name}": 1},
        "left_out_by_rule": {f"rule {name}": 1},
        "nulled": {f"column {name}": 1},
        "first_listened_at": None,
        "last_listened_at": None,
    }
    file = {"file_id": 1, "file": f"/landing/{name.replace('/', '')}", "format": name, "sha256": "0"}
    ingest_reports.print_reports([LoadReport(**file, **counts, **told, already_loaded=False, seconds=1.0)])


def print_previews(name: str) -> None:
    counts = {"rows_read": 3, "listens": 1, "rows_rejected": 1, "rows_left_out": 1}
    rows: dict[str, Any] = {
        "first_listens": [{"line": 1, "title": name, "artist_name": "a wide column under a title"}],
        "first_rejects": [{"line": 2, "reason": f"reason {name}", "fields": f"fields {name}"}],
    }
    reasons: dict[str, dict[str, int]] = {"rejected_by_reason": {}, "left_out_by_rule": {}}
    ingest_reports.print_previews(
        [Preview(file=name, format=name, kind="catalogue", is_refused=False, **counts, **reasons, **rows)]
    )


def print_replay(name: str) -> None:
    item = {"rank": 1, "track_id": f"id {name}", "title": name, "artist": f"by {name}", "score": 0.5, "source": name}
    compared = SlateComparison(f"model {name}", DAY, users=2, lists_made_then=2, other_lists=1)
    compared.changes, compared.others_named = [Change("model", f"they were made by {name}")], [f"one {name}"]
    replay._print(DAY, {Slate.FOR_YOU: compared}, [{"user_id": f"user {name}", "slate": "for_you", "items": [item]}])


def print_evaluation(name: str) -> None:
    measured = {"mean": 0.5, "ci95": [0.4, 0.6]}
    segment = {"by": "country", "segment": f"country {name}", "users": 2, "metric": "ndcg@100"}
    source = {"source": f"source {name}", "in_pool": False, "offered": 1.0, "recall": 0.5, "marginal": measured}
    slate = {
        "users": 2,
        "models": {name: {"ndcg@10": 0.1, "ndcg@100": 0.2, "recall@100": 0.3}},
        "paired": {"against": f"against {name}", "metric": "ndcg@100", "delta": 0.0, "ci95": [-0.1, 0.1]},
        "lists": {f"lists {name}": dict.fromkeys(reports._LIST_FIGURES, 0.5)},
        "segments": [segment | {"models": {name: measured, f"best {name}": measured}, "paired": None}],
        "pool": {"size": 1.0, "recall": measured, "sources": [source]},
    }
    unknown = {f"unknown {name}": 3}
    evaluation = {"as_of": "2015-01-01", "horizon_days": 14, "slates": {f"slate {name}": slate}, "unknown": unknown}
    reports.print_evaluation(evaluation, name)


def print_run(name: str) -> None:
    reports.print_run(RunReport("run", f"job {name}", DAY, (Stage(name, 1.0, 2.0),), 2.0, {}))


def print_table(name: str) -> None:
    rendering.print_table(
        f"title {name}", (f"head {name}", ""), [(name, rendering.painted(f"ok {name}", "bold"))], name
    )


def print_lines(name: str) -> None:
    rendering.print_lines(f"title {name}", (f"head {name}", ""), [(name, f"cell {name}")], name)


SHOWING: dict[Callable[[str], None], list[str]] = {
    rendering.say: [""],
    rendering.note: [""],
    rendering.print_error: ["error: "],
    print_table: ["title ", "head ", "ok ", ""],
    print_lines: ["title ", "head ", "cell ", ""],
    print_reports: ["reason ", "column "],
    print_previews: ["first entries of ", "reason ", "fields ", ""],
    print_replay: ["user ", "id ", "by ", "for_you by model ", "they were made by ", "(of one ", ""],
    print_evaluation: ["slate ", "against ", "lists ", "country ", "best ", "(source ", "unknown ", ""],
    print_run: ["job ", ""],
}


@pytest.mark.parametrize("show", SHOWING, ids=lambda show: show.__name__)
def test_every_report_prints_names_as_they_are(show: Callable[[str], None], screen: Console) -> None:
    for name in NAMES:
        show(name)
        shown = screen.export_text()
        assert [before + name for before in SHOWING[show] if before + name not in shown] == []


def test_a_name_cannot_give_orders_to_the_terminal(screen: Console) -> None:
    for show in SHOWING:
        show("\x1b[2J\x07\x9b31m")
        shown = screen.export_text(styles=False)
        assert not {"\x1b", "\x07", "\x9b"} & set(shown)
        assert "\N{REPLACEMENT CHARACTER}[2J" in shown


def test_progress_shows_names_as_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        with rendering.progress_bar() as bar:
            task = bar.add_task(name, total=1)
            rendering.log_line(bar, name)
            assert str(bar.columns[1](bar.tasks[task])) == name
        assert capsys.readouterr().err == f"{name}\n"


def test_an_error_and_a_refusal_of_an_argument_name_it_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        monkeypatch.setattr("sys.argv", ["audotics", "run", "--as-of", name])
        with pytest.raises(SystemExit):
            cli.main()
        assert repr(name) in capsys.readouterr().err
        refused = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, [name]).stderr
        assert f"'{name}'" in refused or repr(name) in refused


def test_one_module_prints_and_none_reads_markup() -> None:
    for path in [*(ROOT / "orchestration").rglob("*.py"), *(ROOT / "assets").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {getattr(node, "module", None) or node.names[0].name for node in imports}
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        echoed = [each for each in calls if isinstance(each, ast.Attribute) and each.attr in ("echo", "secho")]
        assert not echoed, f"{path}: prints past orchestration.cli.rendering"
        if path != Path(rendering.__file__):
            assert not [name for name in names if name.split(".")[0] == "rich"], path
            continue
        assert "rich.markup" not in names
        assert sum(isinstance(each, ast.Name) and each.id == "Console" for each in calls) == 1, (
            "plain_console is the one"
        )
        assert not [each for each in calls if isinstance(each, ast.Attribute) and each.attr == "from_markup"]
