"""What counts as landed, and how each drop is read."""

from pathlib import Path

import pytest

from assets.ingest.landing import landed
from assets.ingest.lastfm_1k import LISTENS_NAME, PROFILE_NAME, LastFm1k
from assets.ingest.tabular import Tabular
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
    assert drops == [folder / "2026-03.tsv", folder, folder / "world"]
    assert source.find(folder) == [folder / LISTENS_NAME]


def test_uploads_in_progress_are_left_alone(tmp_path: Path) -> None:
    touch(tmp_path / "lastfm-1k" / ".2026-03.tsv.partial")
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
