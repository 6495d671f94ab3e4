"""The Redis contract: round trips, refusals, and agreement with docs/contract.md."""

import re
import struct
from collections.abc import Callable
from dataclasses import fields
from fnmatch import fnmatchcase
from io import BytesIO

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from assets.public import LEAST_LISTENERS
from serving_api import contract
from serving_api.app import create_app
from serving_api.contract import Artist, ContractError, ContractVersionError, ReleaseMeta, Track, TrackDetails
from serving_api.rule_fields import Scenario
from serving_api.settings import ServingSettings
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")

RECORDS = {
    "track": ["track id", "title", "artist", "artist id", "recording MBID"],
    "artist": ["artist id", "name", "artist MBID"],
    "details": ["album", "length", "ISRC", "tags", "year of release", "explicit"],
}


def i32(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading of the page, without its header."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_lists_of_any_length_come_back_as_they_were_packed() -> None:
    packed = contract.pack_lists(np.array([0, 2, 2, 3]), i32(7, 2_000_000_000, 0), f32(0.5, -1.25, 3e-9), i32(-1, 7, 3))
    lists = [contract.unpack_list(one) for one in packed]
    assert [one.track_keys.tolist() for one in lists] == [[7, 2_000_000_000], [], [0]]
    assert [one.scores.tolist() for one in lists] == [[0.5, -1.25], [], [float(np.float32(3e-9))]]
    assert [one.anchor_keys.tolist() for one in lists] == [[-1, 7], [], [3]]


def test_the_keys_of_many_lists_are_those_of_each() -> None:
    keys, anchors = i32(7, 2_000_000_000, 0, 4), i32(-1, 7, 3, -1)
    lists = contract.pack_lists(np.array([0, 2, 2, 4]), keys, f32(1, 2, 3, 4), anchors)
    lists += contract.pack_lists(np.array([0, 3, 4]), keys, f32(1, 2, 3, 4))
    unpacked = contract.unpack_keys(lists)
    assert sorted(unpacked.track_keys.tolist()) == sorted(keys.tolist() * 2)
    assert sorted(unpacked.anchor_keys.tolist()) == [3, 7]
    assert [len(each) for each in contract.unpack_keys([])] == [0, 0]


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: b"",
        lambda packed: packed[:-4],
        lambda packed: packed + b"more",
        lambda packed: b"\x07" + packed[1:],
        lambda packed: packed[:1] + b"\x07" + packed[2:],
        lambda packed: packed[:2] + b"\x01" + packed[3:],
        lambda packed: packed[:4] + struct.pack("<i", -5) + packed[8:],
        lambda packed: packed[:12] + struct.pack("<f", float("nan")) + packed[16:],
    ],
)
def test_what_one_list_is_refused_for_many_are_refused_for(damage: Callable[[bytes], bytes], at: int) -> None:
    lists = contract.pack_lists(np.array([0, 2, 4, 6]), i32(1, 2, 3, 4, 5, 6), f32(1, 2, 3, 4, 5, 6), i32(*[-1] * 6))
    lists[at] = damage(lists[at])
    with pytest.raises(ContractError):
        contract.unpack_list(lists[at])
    with pytest.raises(ContractError):
        contract.unpack_keys(lists)


def test_a_list_packed_without_reasons_is_smaller_and_has_no_anchor_anywhere() -> None:
    keys = np.arange(100, dtype=np.int32)
    without = contract.pack_list(keys, keys.astype(np.float32))
    with_reasons = contract.pack_lists(np.array([0, 100]), keys, keys.astype(np.float32), keys)[0]
    assert (len(without), len(with_reasons)) == (804, 1204)
    assert set(contract.unpack_list(without).anchor_keys.tolist()) == {contract.NO_ANCHOR}


def test_arrays_of_other_dtypes_are_packed_as_the_contract_says() -> None:
    packed = contract.pack_list(np.array([1, 2], ">i8"), np.array([0.1, 0.2], np.float64))
    assert contract.unpack_list(packed).track_keys.tolist() == [1, 2]
    assert packed == contract.pack_list(i32(1, 2), f32(0.1, 0.2))


@pytest.mark.parametrize(
    ("offsets", "keys", "scores", "anchors", "message"),
    [
        ([0, 3], i32(1, 2), f32(1, 2), None, "offsets"),
        ([1, 2], i32(1, 2), f32(1, 2), None, "offsets"),
        ([0, 2, 1, 2], i32(1, 2), f32(1, 2), None, "offsets"),
        ([0, 2], i32(1, 2), f32(1), None, "same length"),
        ([0, 2], i32(1, 2), f32(1, 2), i32(1), "same length"),
        ([0, 2], i32(1, -2), f32(1, 2), None, "negative"),
        ([0, 2], i32(1, 2), f32(1, float("nan")), None, "finite"),
        ([0, 65_536], np.zeros(65_536, np.int32), np.zeros(65_536, np.float32), None, "65536 items"),
    ],
)
def test_what_the_contract_cannot_hold_is_not_packed(
    offsets: list[int],
    keys: NDArray[np.int32],
    scores: NDArray[np.float32],
    anchors: NDArray[np.int32] | None,
    message: str,
) -> None:
    with pytest.raises(ContractError, match=message):
        contract.pack_lists(np.array(offsets), keys, scores, anchors)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "shorter than its header"),
        (struct.pack("<BBH", 1, 7, 0), "reason layout 7"),
        (struct.pack("<BBH", 1, 0, 2) + b"\0" * 15, "19 bytes instead of 20"),
        (struct.pack("<BBH", 1, 1, 1) + b"\0" * 8, "12 bytes instead of 16"),
    ],
)
def test_bytes_that_are_not_a_list_are_refused(packed: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        contract.unpack_list(packed)


def test_a_list_of_another_contract_version_is_told_from_a_damaged_one() -> None:
    with pytest.raises(ContractVersionError, match="version 2, not 1"):
        contract.unpack_list(struct.pack("<BBH", 2, 0, 0))


def test_the_release_pattern_matches_every_key_of_its_release_and_nothing_else() -> None:
    def keys(release: str) -> list[str]:
        builders = (contract.meta_key, contract.tracks_key, contract.track_ids_key, contract.popular_key)
        builders += (contract.track_details_key,)
        builders += (contract.artists_key, contract.artist_ids_key)
        builders += (contract.similar_tracks_key, contract.similar_artists_key)
        builders += (contract.country_popular_key, contract.user_countries_key)
        builders += (contract.trending_key, contract.artist_tracks_key, contract.tag_tracks_key)
        return [build(release) for build in builders] + [contract.slate_key(release, "for_you")]

    one, other = keys("2026-11-22-3f9a1c07"), keys("2026-11-22-3f9a1c08")
    shared = [contract.LIVE, contract.PREVIOUS, contract.RELEASES, contract.PUBLISH_LOCK, contract.BLOCKS]
    shared += [contract.BLOCK_CHANGES, contract.API_KEYS, contract.SCENARIOS]
    everything = one + other + shared
    pattern = contract.release_key_pattern("2026-11-22-3f9a1c07")
    assert [key for key in everything if fnmatchcase(key, pattern)] == one
    assert [key for key in everything if fnmatchcase(key, contract.release_key_pattern("*"))] == one + other


def test_the_page_lists_exactly_the_keys_of_the_code() -> None:
    in_code = {
        contract.LIVE,
        contract.PREVIOUS,
        contract.RELEASES,
        contract.PUBLISH_LOCK,
        contract.BLOCKS,
        contract.BLOCK_CHANGES,
        contract.API_KEYS,
        contract.SCENARIOS,
        contract.meta_key("{release}"),
        contract.slate_key("{release}", "{slate}"),
        contract.tracks_key("{release}"),
        contract.track_details_key("{release}"),
        contract.track_ids_key("{release}"),
        contract.popular_key("{release}"),
        contract.artists_key("{release}"),
        contract.artist_ids_key("{release}"),
        contract.similar_tracks_key("{release}"),
        contract.similar_artists_key("{release}"),
        contract.country_popular_key("{release}"),
        contract.user_countries_key("{release}"),
        contract.trending_key("{release}"),
        contract.artist_tracks_key("{release}"),
        contract.tag_tracks_key("{release}"),
        contract.search_key("{release}"),
    }
    assert {row[0].strip("`") for row in table("Keys")} == in_code
    builders = {name for name in vars(contract) if name.endswith("_key")}
    builders -= {"track_key", "artist_key", "pack_api_key", "unpack_api_key"}
    assert len(in_code) == len(builders) + 8, "a key builder is missing from this test"


@pytest.mark.parametrize("anchors", [None, i32(-1, 4, 9)])
def test_a_list_can_be_decoded_by_the_table_of_the_page_alone(anchors: NDArray[np.int32] | None) -> None:
    packed = contract.pack_lists(np.array([0, 3]), i32(4, 5, 6), f32(0.5, 0.25, 0.125), anchors)[0]
    decoded: dict[str, tuple[float, ...]] = {}
    end = 0
    codes = {"u8": "B", "u16": "H", "i32": "i", "f32": "f"}
    for offset, kind, count, field in table("Packed list"):
        if "reason layout 1" in field and decoded["reason layout"] != (1,):
            continue
        n = int(decoded["n"][0]) if "n" in decoded else 0
        ((constant, per_item),) = re.findall(r"^(\d+)(?: \+ (\d+)n)?$", offset)
        start = int(constant) + int(per_item or 0) * n
        layout = struct.Struct(f"<{n if count == 'n' else int(count)}{codes[kind]}")
        decoded[field.split(",")[0]] = layout.unpack_from(packed, start)
        end = start + layout.size
    assert end == len(packed), "the table leaves bytes unexplained"
    expected = {
        "contract version": (contract.CONTRACT_VERSION,),
        "reason layout": (0 if anchors is None else 1,),
        "n": (3,),
        "track keys": (4, 5, 6),
        "scores": (0.5, 0.25, 0.125),
    }
    assert decoded == (expected if anchors is None else expected | {"anchor keys": (-1, 4, 9)})


def test_the_page_and_the_api_say_how_many_listeners_make_something_public() -> None:
    assert f"never show what fewer than **{LEAST_LISTENERS}** people share" in PAGE
    described = create_app(ServingSettings(redis_url="redis://127.0.0.1:1/0")).openapi()["components"]["schemas"]
    for document in ("Popular", "SimilarTracks", "SimilarArtists"):
        assert f"at least {LEAST_LISTENERS} people heard" in described[document]["properties"]["items"]["description"]
    assert f"fewer than {LEAST_LISTENERS}" in described["Item"]["properties"]["score"]["description"]
    assert f"fewer than {LEAST_LISTENERS} people gave" in described["TrackInfo"]["properties"]["tags"]["description"]
    models = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))
    assert models["vars"]["least_listeners"] == LEAST_LISTENERS
    most = f"t most {models['vars']['most_tags']}"
    assert most in PAGE and most in described["TrackInfo"]["properties"]["tags"]["description"]


def test_the_page_names_the_rules_of_a_scenario() -> None:
    named = [name.strip("`") for row in table("Scenarios") for name in row[0].split(", ")]
    assert named == list(Scenario.model_fields)


def test_the_page_names_the_version_the_meta_fields_and_the_track_field() -> None:
    assert f"contract version **{contract.CONTRACT_VERSION}**" in PAGE
    fields_of_meta = [field.name for field in fields(ReleaseMeta)]
    assert [row[0].strip("`") for row in table("Meta")] == ["contract_version", *fields_of_meta]
    assert (contract.TRACK_FIELD.format, contract.TRACK_FIELD.size) == (">i", 4)
    assert "big-endian i32: 4 bytes" in PAGE
    assert f"[{', '.join(RECORDS['track'])}]" in PAGE
    assert f"[{', '.join(RECORDS['artist'])}]" in PAGE
    assert f"[{contract.CONTRACT_VERSION}, [track id, ...], [artist id, ...]]" in PAGE
    assert f"[{', '.join(RECORDS['details'])}]" in PAGE
    assert len(RECORDS["track"]) == len(Track._fields) - 2
    assert len(RECORDS["details"]) == len(TrackDetails._fields)
    assert len(RECORDS["artist"]) == len(Artist._fields) - 1
    assert contract.ANCHOR_REASON_TYPE in PAGE


def test_the_page_describes_the_search_index_as_the_code_has_it() -> None:
    described = [row[0].strip("`") for row in table("Search index")]
    assert sorted(described) == sorted(
        [*(field.name for field in fields(contract.SearchDescription)), "field", "---", *contract.SearchField]
    )


@pytest.mark.parametrize(
    "packed",
    [b"", b"[]", b"\xff", b'{"names": 1}', b'{"names":"1","listed":1,"size":1,"sha256":"","engine":"","format":1}'],
)
def test_a_description_of_an_index_that_cannot_be_read_is_refused(packed: bytes) -> None:
    with pytest.raises(ContractError):
        contract.unpack_search_description(packed)


def test_an_index_comes_back_from_its_parts_as_it_was() -> None:
    archive = bytes(range(256)) * 40_000
    description = contract.SearchDescription(3, 2, len(archive), "0" * 64, "tantivy 1")
    entries = dict(contract.search_entries(description, BytesIO(archive)))
    assert contract.unpack_search_description(entries[contract.SEARCH_DESCRIPTION_FIELD]) == description
    assert b"".join(entries[contract.search_part_field(part)] for part in range(description.parts)) == archive
    assert len(entries) == description.parts + 1 == 4
