"""User profiles beside the listens, and files that are loaded after them by the same session."""

from datetime import date
from pathlib import Path

from loading import load, query, state_of, write_lastfm

from assets.ingest import merge_sql
from assets.ingest.landing import load_landed
from assets.ingest.lastfm_1k import PROFILE_NAME, LastFm1k
from assets.ingest.load import load_files
from warehouse.engine import exclusive

_ROW = ("u1", "2009-05-04T23:08:57Z", "", "Deep Dish", "", "Roads")


def _profile(folder: Path, *rows: str) -> Path:
    path = folder / PROFILE_NAME
    path.write_text("".join(f"{row}\n" for row in ("#id\tgender\tage\tcountry\tregistered", *rows)), encoding="utf-8")
    return path


def test_profiles_fill_known_users_and_a_second_load_changes_nothing(warehouse_url: str, tmp_path: Path) -> None:
    write_lastfm(tmp_path, _ROW, ("u2", *_ROW[1:]), ("u3", *_ROW[1:]))
    rows = ("u1\tm\t22\tPeru\tAug 13, 2006", "u2\t\told\t\tsoon", "stranger\tf\t30\tPeru\tAug 13, 2006")
    profile = _profile(tmp_path, *rows)
    load(warehouse_url, LastFm1k(), tmp_path)
    profiles = "SELECT user_id, gender, age, country, registered_on FROM raw.users ORDER BY user_key"
    expected = [
        ("u1", "m", 22, "Peru", date(2006, 8, 13)),
        ("u2", None, None, None, None),
        ("u3", None, None, None, None),
    ]
    assert query(warehouse_url, profiles) == expected
    before = state_of(warehouse_url)
    with exclusive(warehouse_url, merge_sql.LOCK):
        # Nothing has changed, so nobody is waited for.
        assert load(warehouse_url, LastFm1k(), tmp_path).already_loaded
    assert state_of(warehouse_url) == before
    profile.write_text(profile.read_text().replace("u2\t\told", "u2\tf\t41"))
    assert load(warehouse_url, LastFm1k(), tmp_path).already_loaded
    assert query(warehouse_url, profiles)[1] == ("u2", "f", 41, None, None)


def test_loaded_files_with_profiles_hold_up_no_file_after_them(warehouse_url: str, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    drops = [landing / "lastfm-1k" / name for name in ("base", "later")]
    for number, drop in enumerate(drops):
        drop.mkdir(parents=True)
        write_lastfm(drop, (f"u{number}", *_ROW[1:]))
        _profile(drop, f"u{number}\tm\t22\tPeru\tAug 13, 2006")
    new = [write_lastfm(landing / "lastfm-1k", (f"n{number}", *_ROW[1:]), name=f"z{number}.tsv") for number in (1, 2)]
    load_files(warehouse_url, LastFm1k(), drops)
    reports = load_files(warehouse_url, LastFm1k(), [*drops, new[0]])
    assert [report.already_loaded for report in reports] == [True, True, False]
    assert [report.already_loaded for report in load_landed(warehouse_url, landing).reports] == [
        True,
        True,
        True,
        False,
    ]
