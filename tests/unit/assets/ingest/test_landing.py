"""What counts as landed, and how each drop is read."""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets.ingest.files import InputFile
from assets.ingest.landing_files import gone_from
from assets.ingest.landing_layout import Landed, landed
from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.records import Source
from assets.ingest.tabular import Tabular
from warehouse.errors import AudoticsError

MAPPING = 'source = "shop"\n[columns]\nuser_id = "user"\ntrack_id = "song"\nlistened_at = "at"\n[time]\nunit = "s"\n'


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def read(landing: Path) -> list[str]:
    """What is read, by its path in the landing folder."""
    return [each.file.relative for each in landed(landing) if each.opened is not None]


def faults(landing: Path) -> dict[str, str]:
    """What is wrong, by path in the landing folder."""
    return {each.file.relative: each.fault for each in landed(landing) if each.fault is not None}


def opened(each: Landed) -> tuple[Source, list[InputFile]]:
    """The reader of a file, and what it finds there."""
    assert each.opened is not None
    source, listing = each.opened()
    return source, source.find(listing)


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert landed(tmp_path / "absent") == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_that_is_empty_where_files_lay_is_taken_for_one_that_is_not_mounted(
    tmp_path: Path, is_there: bool
) -> None:
    landing = tmp_path / "landing"
    if is_there:
        landing.mkdir()
    lay = [str(landing / "lastfm-1k" / name) for name in ("may.tsv", "june.tsv")]
    assert landed(landing, [f"{landing}s/may.tsv"]) == []
    (root,) = landed(landing, lay)
    assert (root.file.path, gone_from(lay, [root.file])) == (str(landing), [])
    expected = f"cannot read the landing folder {landing} (nothing is there, where 2 files lay); mount it, or"
    assert str(root.fault).startswith(expected)
    (landing / "lastfm-1k").mkdir(parents=True)
    assert (landed(landing, lay), gone_from(lay, [])) == ([], lay)


def test_tags_come_after_what_they_are_about(tmp_path: Path) -> None:
    kinds = {"a": "tags", "b": "catalogue", "c": "listens"}
    for name, kind in kinds.items():
        folder = tmp_path / "tabular" / name
        touch(folder / "all.csv")
        of_kind = MAPPING if kind == "listens" else f'kind = "{kind}"\nsource = "shop"\n[columns]\ntrack_id = "song"\n'
        (folder / "mapping.toml").write_text(of_kind + ('tag = "tag"\n' if kind == "tags" else ""))
    touch(tmp_path / "youtube" / "ada" / "history.json")
    expected = ["tabular/b/all.csv", "tabular/c/all.csv", "youtube/ada/history.json", "tabular/a/all.csv"]
    assert read(tmp_path) == expected


def test_a_landing_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "landing")
    with pytest.raises(AudoticsError, match="landing is a file; set AUDOTICS_LANDING to a folder"):
        landed(tmp_path / "landing")


def test_the_two_files_of_the_data_set_are_one_drop_beside_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "lastfm-1k"
    touch(folder / LISTENS_NAME, folder / PROFILE_NAME, folder / "2026-03.tsv", folder / "world" / LISTENS_NAME)
    assert read(tmp_path) == [f"lastfm-1k/{name}" for name in ("2026-03.tsv", LISTENS_NAME, f"world/{LISTENS_NAME}")]
    assert faults(tmp_path) == {}
    assert {each.drop for each in landed(tmp_path)} == {"lastfm-1k", "lastfm-1k/world"}


@pytest.mark.parametrize("subfolder", ["", "dataset"])
def test_the_data_set_may_be_compressed(tmp_path: Path, subfolder: str) -> None:
    folder = tmp_path / "lastfm-1k" / subfolder
    folder.mkdir(parents=True)
    (folder / f"{LISTENS_NAME}.gz").write_bytes(gzip.compress(b""))
    profile = "#id\tgender\tage\tcountry\tregistered\nuser_000001\tf\t22\tJapan\tAug 13, 2006\n"
    (folder / f"{PROFILE_NAME}.gz").write_bytes(gzip.compress(profile.encode()))
    companion, listens = landed(tmp_path)
    source, (file,) = opened(listens)
    assert (source, file.shown) == (LastFm1k(), str(folder / f"{LISTENS_NAME}.gz"))
    profiles = source.profiles(file)
    assert profiles is not None
    assert profiles["user_id"].to_pylist() == ["user_000001"]
    assert (companion.opened, companion.fault, companion.drop) == (None, None, listens.drop)


def test_uploads_in_progress_are_left_alone_wherever_they_are(tmp_path: Path) -> None:
    touch(tmp_path / ".upload", tmp_path / "lastfm-1k" / ".2026-03.tsv.partial", tmp_path / ".tmp" / "april.csv")
    touch(tmp_path / "lastfm-1k" / "world" / LISTENS_NAME, tmp_path / "lastfm-1k" / "world" / ".2026-04.tsv")
    touch(tmp_path / "may.csv.part", tmp_path / "lastfm-1k" / "june.tsv.TMP", tmp_path / "batch.tmp" / "july.csv")
    assert [each.file.relative for each in landed(tmp_path)] == [f"lastfm-1k/world/{LISTENS_NAME}"]
    months = tmp_path / "tabular" / "shop" / "2026"
    touch(months / "march.csv", months / ".april.csv", months / ".may" / "may.csv")
    (months.parent / "mapping.toml").write_text(MAPPING)
    assert read(tmp_path)[1:] == ["tabular/shop/2026/march.csv"]


@pytest.mark.parametrize(
    "stray",
    [
        "march.csv",
        "tidal/history.json",
        "lastfm1k/2026/march.tsv",
        "lastfm-1k/world/2026-04.tsv",
        "lastfm-1k/world/more/2026-04.tsv.gz",
        "lastfm-1k/profiles/userid-profile.tsv",
        "tabular/march.csv",
        "spotify",
        "lastfm-1k",
    ],
)
def test_what_nothing_reads_is_named_with_the_places_that_are_read(tmp_path: Path, stray: str) -> None:
    if stray != "lastfm-1k":
        touch(tmp_path / "lastfm-1k" / "world" / LISTENS_NAME, tmp_path / "lastfm-1k" / "world" / "README.txt")
        assert faults(tmp_path) == {}
    touch(tmp_path / stray)
    (fault,) = faults(tmp_path).values()
    for named in (f"nothing reads {tmp_path / stray}", "lastfm-1k/", "<format>/<user>/", "tabular/<name>/ with a map"):
        assert named in fault


def test_an_empty_folder_is_not_a_stray(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "tabular" / "shop").mkdir(parents=True)
    assert landed(tmp_path) == []


def test_a_tabular_drop_is_read_by_the_mapping_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "tabular" / "shop"
    touch(folder / "march.csv", folder / "april.csv", folder / "2025" / "may.csv", folder / "2025" / "README.txt")
    (folder / "mapping.toml").write_text(MAPPING)
    assert read(tmp_path) == [f"tabular/shop/{name}" for name in ("2025/may.csv", "april.csv", "march.csv")]
    assert faults(tmp_path) == {}
    source, files = opened(landed(tmp_path)[-1])
    assert isinstance(source, Tabular) and source.mapping.source == "shop"
    assert [file.shown for file in files] == [str(folder / "march.csv")]


def test_all_that_is_wrong_is_named_with_the_files_that_it_concerns(tmp_path: Path) -> None:
    touch(tmp_path / "lastfm-1k" / "notes" / "README.txt", tmp_path / "lastfm-1k" / "may.tsv")
    for name in ("books", "games", "shop", "words"):
        touch(tmp_path / "tabular" / name / "march.csv")
    (tmp_path / "tabular" / "games" / "mapping.toml").write_text("source = ")
    (tmp_path / "tabular" / "shop" / "mapping.toml").write_text(MAPPING)
    (tmp_path / "tabular" / "words" / "mapping.toml").write_text(MAPPING)
    touch(tmp_path / "tabular" / "words" / "more" / "README.txt")
    found = faults(tmp_path)
    expected = {
        "lastfm-1k/notes/README.txt": f"the folder {tmp_path}/lastfm-1k/notes has no",
        "tabular/books/march.csv": f"{tmp_path}/tabular/books has no mapping.toml; put the mapping",
        "tabular/games/march.csv": f"{tmp_path}/tabular/games/mapping.toml",
        "tabular/words/more/README.txt": f"nothing in {tmp_path}/tabular/words/more has the name",
    }
    assert found.keys() == expected.keys()
    assert all(expected[path] in fault for path, fault in found.items())
    assert read(tmp_path) == ["lastfm-1k/may.tsv", "tabular/shop/march.csv", "tabular/words/march.csv"]


def test_a_folder_that_may_not_be_read_is_named_and_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = [tmp_path / "lastfm-1k" / "private", tmp_path / "tabular" / "books", tmp_path / "inbox"]
    scan = os.scandir

    def refused(path: str) -> Any:
        if Path(path) in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    touch(*(folder / "march.csv" for folder in closed), tmp_path / "tabular" / "words" / "march.csv")
    monkeypatch.setattr(os, "scandir", refused)
    found = faults(tmp_path)
    assert found.pop("tabular/words/march.csv").startswith(f"{tmp_path}/tabular/words has no mapping.toml")
    assert list(found) == ["inbox", "lastfm-1k/private", "tabular/books"]
    assert all("(Permission denied); make it one that you may read" in fault for fault in found.values())


def test_links_that_lead_nowhere_or_back_are_named_and_hide_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path / "lastfm-1k" / "may.tsv", tmp_path / "elsewhere" / "june.tsv")
    landing = tmp_path / "lastfm-1k"
    (landing / "back").symlink_to(landing)
    (landing / "lost.tsv").symlink_to(tmp_path / "nowhere.tsv")
    (landing / "june").symlink_to(tmp_path / "elsewhere")
    found = faults(tmp_path)
    assert "(Too many levels of symbolic links)" in found.pop("lastfm-1k/back")
    assert "(No such file or directory)" in found.pop("lastfm-1k/lost.tsv")
    assert {"elsewhere/june.tsv", "lastfm-1k/june/june.tsv"} == found.keys()
    assert read(tmp_path) == ["lastfm-1k/may.tsv"]


def test_an_entry_that_cannot_be_examined_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "lastfm-1k" / "may.tsv", tmp_path / "tabular" / "shop" / "mapping.toml")
    scan = os.scandir

    class Closed:
        """An entry of a folder that may be listed and not entered."""

        name, path = "shop", str(tmp_path / "tabular" / "shop")

        def is_dir(self) -> bool:
            raise PermissionError(13, "Permission denied", self.path)

    @contextmanager
    def scanned(path: str) -> Iterator[Any]:
        with scan(path) as entries:
            yield [Closed()] if Path(path) == tmp_path / "tabular" else entries

    monkeypatch.setattr(os, "scandir", scanned)
    assert list(faults(tmp_path)) == ["tabular/shop"]
    assert read(tmp_path) == ["lastfm-1k/may.tsv"]
