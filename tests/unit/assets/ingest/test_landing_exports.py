"""Exports in the landing folder: whose they are, and in which zone their clocks were."""

from pathlib import Path

import pytest

from assets.ingest.landing_layout import landed
from assets.ingest.tabular import Tabular
from tests.unit.assets.ingest.test_landing import faults, opened, read, touch
from warehouse.errors import AudoticsError

SPOTIFY = b'[{"ts": "2026-03-01T10:00:00Z", "ms_played": 200000, "master_metadata_track_name": "Roads"}]'


def test_an_export_is_read_as_its_folder_says_and_is_of_the_user_whose_folder_it_lies_in(tmp_path: Path) -> None:
    folder = tmp_path / "spotify" / "ada"
    touch(folder / "MyData" / "endsong_0.json", folder / "MyData" / "Userdata.json", folder / "my_data.zip")
    (folder / "MyData" / "endsong_0.json").write_bytes(SPOTIFY)
    assert read(tmp_path) == ["spotify/ada/MyData/endsong_0.json", "spotify/ada/my_data.zip"]
    assert faults(tmp_path) == {}
    first = next(each for each in landed(tmp_path) if each.opened is not None)
    source, (file,) = opened(first)
    assert (source.format, file.name) == ("spotify", "endsong_0.json")
    assert isinstance(source, Tabular)
    default = source.mapping.columns["user_id"].default if "user_id" in source.mapping.columns else None
    assert "ada" in (default, source.mapping.constants.get("user_id"))


def test_an_export_that_does_not_say_whose_it_is_is_wanted_in_a_folder_of_its_user(tmp_path: Path) -> None:
    touch(tmp_path / "maloja" / "export.json")
    (tmp_path / "maloja" / "export.json").write_bytes(b'{"maloja": {}, "scrobbles": []}')
    (each,) = landed(tmp_path)
    with pytest.raises(AudoticsError, match=r"export\.json: .* does not say whose .*; move it to maloja/<user>/"):
        opened(each)


def test_an_export_whose_clock_is_unknown_is_read_in_the_zone_that_its_folder_says(tmp_path: Path) -> None:
    log = tmp_path / "scrobbler-log" / "ada" / "my.scrobbler.log"
    touch(log)
    log.write_text("#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n#CLIENT/Rockbox\n", encoding="utf-8")
    (unsaid,) = landed(tmp_path)
    with pytest.raises(AudoticsError, match=r"my\.scrobbler\.log: .*zone.* in scrobbler-log/ada/options\.toml"):
        opened(unsaid)
    options = log.with_name("options.toml")
    options.write_text('zone = "Europe/Berlin"\n', encoding="utf-8")
    said, of_folder = landed(tmp_path)
    assert (opened(said)[0].format, said.drop) == ("scrobbler-log/Europe/Berlin", of_folder.drop)
    assert said.format != unsaid.format, "so what is set aside is tried again"
    log.write_text("#AUDIOSCROBBLER/1.1\n#TZ/UTC\n", encoding="utf-8")
    assert opened(landed(tmp_path)[0])[0].format == "scrobbler-log"


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ('zone = "Berlin"', "zone 'Berlin' is not an IANA zone"),
        ('user = "ada"\nzone = "UTC"', "has no use for the key user"),
        ("zone = 1", "does not say a zone"),
        ("zone", "is not TOML"),
    ],
)
def test_options_that_say_no_zone_are_named_with_the_files_that_they_are_for(
    tmp_path: Path, options: str, wrong: str
) -> None:
    folder = tmp_path / "scrobbler-log" / "ada"
    touch(folder / ".scrobbler.log", folder / "README.txt")
    (folder / "options.toml").write_text(options, encoding="utf-8")
    found = faults(tmp_path)
    assert found.keys() == {"scrobbler-log/ada/.scrobbler.log", "scrobbler-log/ada/options.toml"}
    assert all(wrong in fault and str(folder / "options.toml") in fault for fault in found.values())


def test_options_of_a_format_that_says_its_times_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "lastfm" / "ada" / "a.csv", tmp_path / "lastfm" / "ada" / "options.toml")
    (fault,) = faults(tmp_path).values()
    assert "options.toml has no effect on lastfm" in fault


def test_a_folder_of_an_export_in_which_nothing_is_read_is_a_fault(tmp_path: Path) -> None:
    touch(tmp_path / "spotify" / "ada" / "history.txt", tmp_path / "spotify" / "notes.txt")
    assert faults(tmp_path).keys() == {"spotify/ada/history.txt", "spotify/notes.txt"}
    assert all("of spotify that is read" in fault for fault in faults(tmp_path).values())
