"""Bad input and broken surroundings: one line with a way forward, an exit code other than 0, nothing half-done."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pipeline_process import AUDOTICS, Pipeline, error_line
from typer.testing import CliRunner

from orchestration.cli.app import app
from warehouse.errors import AudoticsError
from warehouse.local.server import any_free_port

UP_PORTS = ("--ui-port", "--api-port", "--docs-port")
MAPPING = """
source = "shop"
[columns]
user_id = "user"
track_id = "song"
listened_at = "at"
[time]
unit = "{unit}"
"""


@pytest.fixture(scope="module")
def empty(session_folder: Path, module_redis_url: str, new_warehouse: Callable[[], str]) -> Pipeline:
    """A pipeline without data; every test must leave it so."""
    return Pipeline(new_warehouse(), module_redis_url, session_folder / "empty")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def silent_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refused(done: subprocess.CompletedProcess[str], *mentioned: str) -> None:
    """It failed with one line that mentions what is wrong and what to do."""
    assert done.returncode == 1, done.stderr
    line = error_line(done)
    for text in mentioned:
        assert re.search(text, line), line


def nothing_was_loaded(pipeline: Pipeline) -> None:
    for table in ("ingest_files", "listens", "rejected_listens", "users", "tracks", "artists"):
        assert pipeline.query(f"select count(*) from raw.{table}") == [(0,)], table


def mapping(folder: Path, unit: str = "s", text: str = MAPPING) -> str:
    file = folder / "mapping.toml"
    file.write_text(text.format(unit=unit))
    return str(file)


def listens(folder: Path, factor: int = 1) -> Path:
    file = folder / "listens.parquet"
    columns = {
        "user": ["a"] * 40,
        "song": [str(n) for n in range(40)],
        "at": [(1_700_000_000 + n) * factor for n in range(40)],
    }
    pq.write_table(pa.table(columns), file)
    return file


def test_a_missing_file(empty: Pipeline, tmp_path: Path) -> None:
    refused(
        empty.run("ingest", "lastfm-1k", str(tmp_path / "absent.tsv")),
        "absent.tsv",
        "there is no file or folder",
        "check the path",
    )
    nothing_was_loaded(empty)


def test_a_folder_without_listens(empty: Pipeline, tmp_path: Path) -> None:
    refused(empty.run("ingest", "lastfm-1k", str(tmp_path)), re.escape(str(tmp_path)), "userid-timestamp-artid")
    nothing_was_loaded(empty)


def test_a_mapping_that_names_a_missing_column(empty: Pipeline, tmp_path: Path) -> None:
    file = listens(tmp_path)
    wrong = mapping(tmp_path, text=MAPPING.replace('"song"', '"title"'))
    refused(empty.run("ingest", "tabular", str(file), "--mapping", wrong), "title", "user, song, at|song")
    nothing_was_loaded(empty)


def test_milliseconds_read_as_seconds(empty: Pipeline, tmp_path: Path) -> None:
    file = listens(tmp_path, factor=1000)
    refused(empty.run("ingest", "tabular", str(file), "--mapping", mapping(tmp_path)), "listens.parquet", "ms")
    nothing_was_loaded(empty)


def test_seconds_read_as_milliseconds(empty: Pipeline, tmp_path: Path) -> None:
    file = listens(tmp_path)
    refused(
        empty.run("ingest", "tabular", str(file), "--mapping", mapping(tmp_path, "ms")), "before 2000", r"unit = .s."
    )
    nothing_was_loaded(empty)


def test_a_truncated_parquet_file(empty: Pipeline, tmp_path: Path) -> None:
    file = listens(tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    refused(empty.run("ingest", "tabular", str(file), "--mapping", mapping(tmp_path)), "listens.parquet")
    nothing_was_loaded(empty)


def test_a_date_before_any_data(empty: Pipeline) -> None:
    refused(
        empty.run("run", "--as-of", "2015-01-01"),
        "no listens",
        "landing",
        "lastfm-1k/",
        "tabular/<name>/",
        "audotics ingest",
    )
    nothing_was_loaded(empty)


def test_a_folder_in_which_nothing_can_be_loaded_says_why_beside_what_to_do(empty: Pipeline) -> None:
    stray = empty.home / "landing" / "march.csv"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_text("user,song\n", encoding="utf-8")
    try:
        refused(empty.run("run", "--as-of", "2015-01-01"), "no listens", f"not loaded: nothing reads {stray}")
        assert empty.json("ingest", "retry") == {"files": []}
    finally:
        stray.unlink()
    nothing_was_loaded(empty)


def test_a_date_in_the_future(empty: Pipeline) -> None:
    refused(empty.run("run", "--as-of", "2999-01-01"), "2999-01-01 is in the future")


@pytest.mark.parametrize("value", ["01.02.2026", "2026-02-30", ""])
def test_a_date_that_is_none(value: str) -> None:
    with pytest.raises(AudoticsError, match=rf"--as-of '{re.escape(value)}' is not a valid date; write YYYY-MM-DD"):
        CliRunner().invoke(app, ["run", "--as-of", value], catch_exceptions=False)


def test_lists_that_were_never_made(empty: Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "lists.parquet"
    done = empty.run("recommendations", "--as-of", "2015-01-01", "--slate", "for_you", "--out", str(out))
    refused(done, "no for_you lists", "audotics run --as-of 2015-01-01")
    assert list(tmp_path.iterdir()) == []


def test_a_slate_that_does_not_exist(empty: Pipeline, tmp_path: Path) -> None:
    done = empty.run("recommendations", "--slate", "mood", "--out", str(tmp_path / "lists.parquet"))
    refused(done, "mood", "for_you, discover, rediscover")


def test_a_user_whom_nobody_knows_is_refused_before_a_replay_begins(empty: Pipeline) -> None:
    done = empty.run("replay", "--as-of", "2015-01-01", "--user", "[nobody]", "--user", "b")
    refused(done, r"knows no user '\[nobody\]', 'b'", "core.dim_users")
    assert done.stderr.count("\n") == 1


def test_a_load_that_was_never_made_cannot_be_forgotten(empty: Pipeline) -> None:
    refused(empty.run("ingest", "forget", "7"), "no load with the file_id 7", "audotics ingest list")


@pytest.mark.parametrize(
    ("columns", "mentioned"),
    [
        (None, "there is no file"),
        ({"user_id": ["u"], "track": ["t"], "rank": [1]}, "no column track_id"),
        ({"user_id": ["u"], "track_id": ["t"], "rank": [0]}, "row 1: rank is 0"),
        ({"user_id": ["u", "u"], "track_id": ["t", "s"], "rank": ["1", "first"]}, "row 2: rank is first"),
    ],
)
def test_lists_that_cannot_be_scored(
    empty: Pipeline, tmp_path: Path, columns: dict[str, list[object]] | None, mentioned: str
) -> None:
    file = tmp_path / "lists.parquet"
    if columns:
        pq.write_table(pa.table(columns), file)
    done = empty.run("evaluate", "--as-of", "2015-01-01", "--lists", str(file), "--slate", "for_you")
    refused(done, re.escape(str(file)), mentioned)


def test_lists_without_a_slate_and_lists_that_are_not_parquet(empty: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"
    file.write_text("user_id,track_id,rank\nu,t,1\n")
    refused(empty.run("evaluate", "--as-of", "2015-01-01", "--lists", str(file)), "--slate")
    refused(empty.run("evaluate", "--lists", str(file), "--slate", "for_you"), "--as-of")
    done = empty.run("evaluate", "--as-of", "2015-01-01", "--lists", str(file), "--slate", "for_you")
    refused(done, re.escape(str(file)), "cannot be read as Parquet")


def test_a_model_that_does_not_exist_is_neither_shown_nor_promoted(empty: Pipeline) -> None:
    for command in (["show", "mood-1"], ["promote", "mood-1", "--reason", "curiosity"]):
        refused(empty.run("models", *command), "there is no model mood-1", "audotics models list")
    assert empty.query("select count(*) from ml.promotions") == [(0,)]


@pytest.mark.parametrize("arguments", [[], ["--reason", "  "]])
def test_a_promotion_without_a_reason(empty: Pipeline, arguments: list[str]) -> None:
    done = empty.run("models", "promote", "mood-1", *arguments)
    assert done.returncode != 0
    assert "--reason" in done.stderr


def test_nothing_to_roll_back_to(empty: Pipeline) -> None:
    refused(empty.run("releases", "rollback"), "no previous release")


def test_postgresql_down(empty: Pipeline, silent_port: int) -> None:
    down = Pipeline(f"postgresql://u:secret@127.0.0.1:{silent_port}/audotics", empty.redis_url, empty.home)
    done = down.run("run", "--as-of", "2015-01-01")
    refused(done, f"127.0.0.1:{silent_port}", "AUDOTICS_WAREHOUSE_URL")
    assert "secret" not in done.stderr


def test_redis_down(empty: Pipeline, silent_port: int) -> None:
    down = Pipeline(empty.warehouse_url, f"redis://:secret@127.0.0.1:{silent_port}/0", empty.home)
    done = down.run("run", "--as-of", "2015-01-01")
    refused(done, f"127.0.0.1:{silent_port}", "AUDOTICS_REDIS_URL")
    assert "secret" not in done.stderr


@pytest.mark.parametrize("option", UP_PORTS)
def test_a_port_that_is_taken(empty: Pipeline, taken_port: int, option: str) -> None:
    ports = {each: any_free_port() for each in UP_PORTS} | {option: taken_port}
    asked = [argument for name, port in ports.items() for argument in (name, str(port))]
    refused(empty.run("up", *asked), f"port {taken_port}", option)


@pytest.mark.parametrize("name", ["raw_listen_suite", "no_blocked_items", "for_you_may_go_live"])
def test_a_check_that_nobody_may_accept(empty: Pipeline, name: str) -> None:
    done = empty.run("run", "--as-of", "2015-01-01", "--accept", name)
    refused(done, f"'{name}' is not a check that may be accepted: ", "raw_listens_suite", "newest_day_is_whole")


def test_a_port_that_is_given_twice(empty: Pipeline) -> None:
    port = str(any_free_port())
    refused(empty.run("up", "--api-port", port, "--docs-port", port), f"--api-port and --docs-port are both {port}")


def test_a_home_that_cannot_be_written(empty: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    environment = {**empty.environment, "AUDOTICS_HOME": str(tmp_path / "file" / "home")}
    del environment["AUDOTICS_WAREHOUSE_URL"]
    done = subprocess.run([str(AUDOTICS), "run"], env=environment, capture_output=True, text=True, timeout=60)
    refused(done, "file", "AUDOTICS_HOME")


def test_every_command_has_help_with_an_example() -> None:
    commands = ["demo", "run", "evaluate", "recommendations", "search", "up", "down", "doctor", "env", "analyst-url"]
    for command in [[each] for each in commands] + [
        ["ingest", "lastfm-1k"],
        ["ingest", "tabular"],
        *(["ingest", command] for command in ("list", "forget", "suggest")),
        *(["rejects", command] for command in ("list", "export", "retry")),
        ["releases", "list"],
        *(["blocks", command] for command in ("list", "add", "remove", "publish")),
        *(["models", command] for command in ("list", "show", "promote")),
    ]:
        done = CliRunner().invoke(app, [*command, "--help"])
        assert done.exit_code == 0 and "Example: " in done.stdout, command


def test_help_does_not_load_the_platform() -> None:
    probe = (
        "import sys, orchestration.cli; "
        "print(sorted({'dagster', 'pandas', 'duckdb', 'lightgbm', 'great_expectations'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
