"""Files of blocks: what they block for whom, what is rejected, how they are undone, and what users say beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loading import load, natural_state, query, tabular, write_csv
from redis import Redis
from typer.testing import CliRunner

from assets import blocks
from assets.ingest.mapping import Mapping
from assets.ingest.retry import retry_rejects
from assets.ingest.tabular import Tabular
from assets.ingest.undo import UndoneLoad, undo_load
from orchestration.cli.app import app
from serving_api.contract import BLOCKS, unpack_blocks
from warehouse.engine import create_engine
from warehouse.errors import AudoticsError
from warehouse.roles import Role

NAMED = tabular(
    columns={"user_id": "u", "listened_at": "t", "track_id": "id", "title": "title", "artist_name": "by"},
    optional=["title", "artist_name"],
)
LISTENS = ("ada,1400000000,x,Roads,Portishead", "bob,1400000000,y,Army of Me,Björk")
HEADER = "u,track,artist,by,kind"
COLUMNS = {"user_id": "u", "track_id": "track", "artist_id": "artist", "artist_name": "by", "item_kind": "kind"}


def _of(columns: dict[str, Any], **keys: Any) -> Tabular:
    return Tabular(Mapping.model_validate({"kind": "blocks", "source": "shop", "columns": columns} | keys), "b.toml")


OF_BOTH = _of(COLUMNS)


def _listens(folder: Path, *rows: str) -> Path:
    return write_csv(folder, *(rows or LISTENS), name="listens.csv", header="u,t,id,title,by")


def _blocks(folder: Path, *rows: str, name: str = "b.csv") -> Path:
    return write_csv(folder, *rows, name=name, header=HEADER)


def _undo(url: str, file_id: int) -> UndoneLoad:
    with create_engine(url, Role.LOADER).begin() as connection:
        return undo_load(connection, file_id)


def _blocked(url: str) -> list[tuple[str, str]]:
    with create_engine(url, Role.LOADER).begin() as connection:
        return [(each.user_id, each.name or each.item_id) for each in blocks.read_blocks(connection)]


def _ask(url: str, change: Callable[..., bool], user_id: str, track_id: str) -> bool:
    with create_engine(url, Role.LOADER).begin() as connection:
        return change(connection, user_id, blocks.ItemKind.TRACK, track_id)


def test_rows_block_tracks_and_artists_that_are_known_and_the_others_are_rejected(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, NAMED, _listens(tmp_path))
    assert _ask(warehouse_url, blocks.block, "bob", "x")
    before = natural_state(warehouse_url)
    ((portishead,),) = query(warehouse_url, "SELECT artist_id FROM raw.artists WHERE name = 'Portishead'")
    rows = (
        *("ada,x,,,track", "ada,x,,,", "bob,x,,,track", "ada,,,Björk,Artist", f"bob,,{portishead},,"),
        *("ada,z,,,track", "ada,,9,,", "dan,x,,,track", ",x,,,track", "ada,x,,,album", "ada,,,Björk,"),
    )
    path = _blocks(tmp_path, *rows)
    report = load(warehouse_url, OF_BOTH, path)
    assert (report.rows_loaded, report.rows_duplicate) == (3, 2)
    reasons = ("unknown_track", "unknown_artist", "unknown_user", "empty_user", "bad_item_kind", "empty_track")
    assert report.rejected_by_reason == dict.fromkeys(reasons, 1)
    assert sorted(_blocked(warehouse_url)) == [
        ("ada", "Björk"), ("ada", "Roads"), ("bob", "Portishead"), ("bob", "Roads"),
    ]  # fmt: skip
    rejected = "SELECT line, reason, fields->>'track_id' FROM raw.rejected_listens WHERE reason LIKE 'unknown%'"
    assert query(warehouse_url, f"{rejected} ORDER BY line") == [
        (7, "unknown_track", "z"),
        (8, "unknown_artist", None),
        (9, "unknown_user", "x"),
    ]
    state = natural_state(warehouse_url)
    assert load(warehouse_url, OF_BOTH, path).already_loaded
    assert natural_state(warehouse_url) == state
    assert _undo(warehouse_url, 2).blocks == 3
    assert natural_state(warehouse_url) == before


def test_what_its_user_or_another_file_says_as_well_outlives_the_undoing_of_a_file(
    warehouse_url: str, tmp_path: Path
) -> None:
    load(warehouse_url, NAMED, _listens(tmp_path))
    rows = ("ada,x,,,", "ada,y,,,", "bob,x,,,", "bob,y,,,")
    assert load(warehouse_url, OF_BOTH, _blocks(tmp_path, *rows)).rows_loaded == 4
    again = load(warehouse_url, OF_BOTH, _blocks(tmp_path, *rows[1:], name="c.csv"))
    assert (again.rows_loaded, again.rows_duplicate) == (0, 3)
    assert not _ask(warehouse_url, blocks.block, "ada", "x"), "it was blocked before"
    assert _ask(warehouse_url, blocks.unblock, "bob", "y")
    assert _undo(warehouse_url, 2).blocks == 0
    assert _blocked(warehouse_url) == [("ada", "Roads"), ("ada", "Army of Me"), ("bob", "Roads")]
    counts = "SELECT rows_loaded, rows_duplicate FROM raw.ingest_files WHERE file_id = 3"
    assert query(warehouse_url, counts) == [(2, 1)]
    assert _undo(warehouse_url, 3).blocks == 2
    assert _blocked(warehouse_url) == [("ada", "Roads")]


def test_rows_that_no_load_had_named_are_retried_when_one_has(warehouse_url: str, tmp_path: Path) -> None:
    load(warehouse_url, NAMED, _listens(tmp_path, LISTENS[0]))
    load(warehouse_url, OF_BOTH, _blocks(tmp_path, "ada,x,,,", "ada,y,,,", "ada,z,,,", "bob,x,,,", "bob,x,,,"))
    more = write_csv(tmp_path, LISTENS[1], name="more.csv", header="u,t,id,title,by")
    load(warehouse_url, NAMED, more)
    report = retry_rejects(warehouse_url, 2, OF_BOTH)
    assert (report.retried, report.loaded, report.duplicate, report.reasons) == (4, 2, 1, {"unknown_track": 1})
    assert _blocked(warehouse_url) == [("ada", "Roads"), ("ada", "Army of Me"), ("bob", "Roads")]
    counts = "SELECT rows_read, rows_loaded, rows_rejected, rows_duplicate, rejected FROM raw.ingest_files"
    assert query(warehouse_url, f"{counts} WHERE kind = 'blocks'") == [(5, 3, 1, 1, {"unknown_track": 1})]
    assert query(warehouse_url, "SELECT line, reason FROM raw.rejected_listens") == [(4, "unknown_track")]
    with pytest.raises(
        AudoticsError, match=r"loaded as blocks and would be read as listens, .*`audotics ingest forget"
    ):
        retry_rejects(warehouse_url, 2, NAMED)


def test_what_only_blocks_had_kept_goes_with_the_last_of_them(warehouse_url: str, tmp_path: Path) -> None:
    empty = natural_state(warehouse_url)
    load(warehouse_url, NAMED, _listens(tmp_path))
    load(warehouse_url, OF_BOTH, _blocks(tmp_path, "ada,x,,,", "ada,,,Björk,artist"))
    # Its track wants the id that x has.
    other = tabular(source="club")
    load(warehouse_url, other, write_csv(tmp_path, "cyd,1400000000,x", name="other.csv"))
    assert _undo(warehouse_url, 1).users == 1, "who has blocked something stays"
    assert sorted(_blocked(warehouse_url)) == [("ada", query(warehouse_url, _BJORK)[0][0]), ("ada", "shop:x")]
    assert query(warehouse_url, "SELECT track_id FROM raw.tracks ORDER BY 1") == [("shop:x",), ("x",)]
    assert _undo(warehouse_url, 2) == UndoneLoad(
        *(2, str(tmp_path / "b.csv"), OF_BOTH.format), listens=0, listens_kept=0, rejected=0, blocks=2, users=1,
        artists=1, tracks=1,
    )  # fmt: skip
    assert query(warehouse_url, "SELECT track_id FROM raw.tracks") == [("x",)]
    assert query(warehouse_url, "SELECT * FROM raw.artists") == []
    _undo(warehouse_url, 3)
    assert natural_state(warehouse_url) == empty


_BJORK = "SELECT artist_id FROM raw.artists WHERE natural_key = 'name:björk'"


def test_the_commands_tell_redis_at_once(
    warehouse_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WAREHOUSE_URL", warehouse_url), ("REDIS_URL", redis_url), ("HOME", tmp_path / "home")):
        monkeypatch.setenv(f"AUDOTICS_{name}", str(value))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return done.stdout

    def held() -> dict[str, list[str]]:
        with Redis.from_url(redis_url) as client:
            found = client.hgetall(BLOCKS).items()
        return {user_id.decode(): sorted(unpack_blocks(packed).track_ids) for user_id, packed in found}

    load(warehouse_url, NAMED, _listens(tmp_path))
    path = _blocks(tmp_path, "ada,x,,,", "bob,z,,,", "bob,y,,,")
    mapping = tmp_path / "b.toml"
    mapping.write_text('kind = "blocks"\nsource = "shop"\n[columns]\nuser_id = "u"\ntrack_id = "track"\n')
    assert '"item_kind": "track"' in run("ingest", str(path), "--mapping", str(mapping), "--dry-run")
    assert held() == {}
    run("ingest", str(path), "--mapping", str(mapping))
    assert held() == {"ada": ["x"], "bob": ["y"]}
    with Redis.from_url(redis_url) as client:
        client.delete(BLOCKS)
    run("ingest", str(path), "--mapping", str(mapping))
    assert held() == {"ada": ["x"], "bob": ["y"]}, "the same command makes up for a Redis that had failed"
    load(
        warehouse_url,
        NAMED,
        write_csv(tmp_path, "bob,1,z,,", "bob,1400000000,z,,", name="z.csv", header="u,t,id,title,by"),
    )
    run("rejects", "retry", "--file", "2", "--mapping", str(mapping))
    assert held() == {"ada": ["x"], "bob": ["y", "z"]}
    run("ingest", "forget", "2")
    assert held() == {}
