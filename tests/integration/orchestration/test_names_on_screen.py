"""Commands over a warehouse in which a user is called [/b], an artist [unknown] and a file :smile: print just that."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import rendering
from orchestration.cli.app import app

MAPPING = """
source = "shop"
[columns]
user_id = "user"
track_id = "song"
artist_id = "artist"
artist_name = "artist_name"
title = "title"
listened_at = "at"
[time]
unit = "s"
"""
ROWS = [
    "user,song,artist,artist_name,title,at",
    "[/b],[i],[bold]a,[unknown],[untitled],1700000000",
    "[/b],[i],,,,never",
]


@pytest.fixture
def commands(
    warehouse_url: str, redis_url: str, session_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CliRunner:
    """The command line over a warehouse of its own, and a folder with a file to load as the current one."""
    environment = {
        "AUDOTICS_WAREHOUSE_URL": warehouse_url,
        "AUDOTICS_REDIS_URL": redis_url,
        "AUDOTICS_HOME": str(session_folder / "names"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rendering, "OUT", rendering.plain_console(width=200))
    Path(":smile:[red].csv").write_text("\n".join(ROWS))
    Path("mapping.toml").write_text(MAPPING)
    return CliRunner()


def test_what_is_loaded_blocked_and_forgotten_is_named_as_it_is(commands: CliRunner) -> None:
    def shown(*arguments: str) -> str:
        done = commands.invoke(app, [*arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    loaded = shown("ingest", "tabular", ":smile:[red].csv", "--mapping", "mapping.toml")
    assert "│ :smile:[red].csv │    2 │      1 │        1 │" in loaded
    assert "rejected of :smile:[red].csv: 1 bad_timestamp" in loaded
    assert shown("blocks", "add", "[/b]", "--track", "[i]") == "track [i] blocked for [/b]\n"
    assert shown("blocks", "add", "[/b]", "--artist", "[bold]a") == "artist [bold]a blocked for [/b]\n"
    listed = shown("blocks", "list", "--user", "[/b]")
    assert {"[/b]", "[i]", "[untitled]", "[bold]a", "[unknown]"} <= set(listed.replace("│", " ").split())
    assert ":smile:[red].csv (file_id 1); gone:\n  1 listen, 1 rejected row\n" in shown("ingest", "forget", "1")
