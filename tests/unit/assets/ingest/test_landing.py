"""What counts as landed, and how each drop is read."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.ingest.landing import landed
from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.listing import list_files
from assets.ingest.tabular import Tabular
from tests.input_files import paths
from warehouse.errors import AudoticsError

MAPPING = 'source = "shop"\n[columns]\nuser_id = "user"\ntrack_id = "song"\nlistened_at = "at"\n[time]\nunit = "s"\n'


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert landed(tmp_path / "absent") == []


def test_the_two_files_of_the_data_set_are_one_drop_beside_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "lastfm-1k"
    touch(folder / LISTENS_NAME, folder / PROFILE_NAME, folder / "2026-03.tsv", folder / "world" / LISTENS_NAME)
    ((source, drops),) = landed(tmp_path)
    assert source == LastFm1k()
    assert drops == [folder / "2026-03.tsv", folder / LISTENS_NAME, folder / "world"]


@pytest.mark.parametrize("subfolder", ["", "dataset"])
def test_the_data_set_may_be_compressed(tmp_path: Path, subfolder: str) -> None:
    folder = tmp_path / "lastfm-1k" / subfolder
    folder.mkdir(parents=True)
    (folder / f"{LISTENS_NAME}.gz").write_bytes(gzip.compress(b""))
    profile = "#id\tgender\tage\tcountry\tregistered\nuser_000001\tf\t22\tJapan\tAug 13, 2006\n"
    (folder / f"{PROFILE_NAME}.gz").write_bytes(gzip.compress(profile.encode()))
    ((source, drops),) = landed(tmp_path)
    files = [file for drop in drops for file in source.find(list_files(drop))]
    assert paths(files) == [folder / f"{LISTENS_NAME}.gz"]
    profiles = source.profiles(files[0])
    assert profiles is not None
    assert profiles["user_id"].to_pylist() == ["user_000001"]


def test_uploads_in_progress_are_left_alone_wherever_they_are(tmp_path: Path) -> None:
    touch(tmp_path / ".upload", tmp_path / "lastfm-1k" / ".2026-03.tsv.partial", tmp_path / ".tmp" / "april.csv")
    touch(tmp_path / "lastfm-1k" / "world" / LISTENS_NAME, tmp_path / "lastfm-1k" / "world" / ".2026-04.tsv")
    ((_, drops),) = landed(tmp_path)
    assert drops == [tmp_path / "lastfm-1k" / "world"]
    months = tmp_path / "tabular" / "shop" / "2026"
    touch(months / "march.csv", months / ".april.csv", months / ".may" / "may.csv")
    (months.parent / "mapping.toml").write_text(MAPPING)
    assert paths(landed(tmp_path)[1][0].find(list_files(months))) == [months / "march.csv"]


@pytest.mark.parametrize(
    "stray",
    [
        "march.csv",
        "spotify/history.json",
        "lastfm1k/2026/march.tsv",
        "lastfm-1k/world/2026-04.tsv",
        "lastfm-1k/world/more/2026-04.tsv.gz",
        "lastfm-1k/profiles/userid-profile.tsv",
        "tabular/march.csv",
        "lastfm-1k",
    ],
)
def test_what_nothing_reads_is_named_with_the_places_that_are_read(tmp_path: Path, stray: str) -> None:
    if stray != "lastfm-1k":
        touch(tmp_path / "lastfm-1k" / "world" / LISTENS_NAME, tmp_path / "lastfm-1k" / "world" / "README.txt")
        assert len(landed(tmp_path)) == 1
    touch(tmp_path / stray)
    with pytest.raises(AudoticsError, match="nothing reads") as raised:
        landed(tmp_path)
    for named in (str(tmp_path / stray), "lastfm-1k/", "tabular/<name>/ with a mapping.toml"):
        assert named in str(raised.value)


def test_of_many_strays_some_are_named_and_all_counted(tmp_path: Path) -> None:
    touch(*(tmp_path / f"{number}.csv" for number in range(10)))
    with pytest.raises(AudoticsError, match=r"2\.csv and 7 more in the landing folder"):
        landed(tmp_path)


def test_an_empty_folder_is_not_a_stray(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    assert landed(tmp_path) == []


def test_a_tabular_drop_is_read_by_the_mapping_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "tabular" / "shop"
    touch(folder / "march.csv", folder / "april.csv")
    (folder / "mapping.toml").write_text(MAPPING)
    ((source, drops),) = landed(tmp_path)
    assert isinstance(source, Tabular)
    assert source.mapping.source == "shop"
    assert drops == [folder / "april.csv", folder / "march.csv"]


def test_a_tabular_drop_without_a_mapping_says_where_to_put_one(tmp_path: Path) -> None:
    touch(tmp_path / "tabular" / "shop" / "march.csv")
    with pytest.raises(AudoticsError, match=r"shop has no mapping.toml: put the mapping"):
        landed(tmp_path)


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    touch(tmp_path / "march.csv", tmp_path / "lastfm-1k" / "notes" / "README.txt", tmp_path / "lastfm-1k" / "may.tsv")
    for name in ("books", "games", "shop", "words"):
        touch(tmp_path / "tabular" / name / "march.csv")
    (tmp_path / "tabular" / "games" / "mapping.toml").write_text("source = ")
    (tmp_path / "tabular" / "shop" / "mapping.toml").write_text(MAPPING)
    (tmp_path / "tabular" / "words" / "mapping.toml").write_text(MAPPING)
    touch(tmp_path / "tabular" / "words" / "more" / "README.txt")
    with pytest.raises(AudoticsError, match=rf"^5 faults in the landing folder {tmp_path}: ") as raised:
        landed(tmp_path)
    for fault in (
        rf"(1) nothing reads {tmp_path}/march.csv",
        rf"(2) the folder {tmp_path}/lastfm-1k/notes has no",
        rf"(3) {tmp_path}/tabular/books has no mapping.toml",
        rf"{tmp_path}/tabular/games/mapping.toml",
        rf"(5) the folder {tmp_path}/tabular/words/more has no",
    ):
        assert fault in str(raised.value)


def test_a_drop_without_files_is_nothing_that_has_landed(tmp_path: Path) -> None:
    for folder in ("lastfm-1k/world", "tabular/shop", "tabular/books/2026"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tabular" / "books" / "mapping.toml").write_text(MAPPING)
    assert landed(tmp_path) == []


def test_a_folder_that_may_not_be_read_is_named_once_and_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = [tmp_path / "lastfm-1k" / "private", tmp_path / "tabular" / "books", tmp_path / "inbox"]
    read = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", refused)
    touch(*(folder / "march.csv" for folder in closed), tmp_path / "tabular" / "words" / "march.csv")
    with pytest.raises(AudoticsError, match=r"^4 faults in the landing folder") as raised:
        landed(tmp_path)
    for fault in (*(f"cannot read {folder} (Permission denied)" for folder in closed), "words has no mapping.toml"):
        assert str(raised.value).count(fault) == 1
