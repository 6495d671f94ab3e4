"""Records of the Redis contract: round trips and refusals."""

import orjson
import pytest

from serving_api import contract
from serving_api.contract import Artist, Blocks, ContractError, ContractVersionError, Track, TrackDetails


def test_tracks_come_back_with_absent_texts_and_other_alphabets() -> None:
    track = Track(258, "t-1", "Ночь", None, None, "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae")
    field = contract.track_field(258)
    assert field == b"\x00\x00\x01\x02"
    assert contract.unpack_track(field, contract.pack_track(track)) == track
    with pytest.raises(ContractError, match="track 258"):
        contract.unpack_track(field, b"{")
    with pytest.raises(ContractError, match="track 258"):
        contract.unpack_track(field, b'["only an id"]')


def test_details_come_back_beside_a_record_that_readers_without_them_still_read() -> None:
    details = TrackDetails("Levy", 214_000, "FIABC2600042", ("dream pop", "yö"), 2026, False)
    track = Track(258, "t-1", None, None, None, None, details)
    field, record = contract.track_field(258), contract.pack_track(track)
    assert orjson.loads(record) == ["t-1", None, None, None, None]
    packed = contract.pack_details(details)
    assert orjson.loads(packed) == ["Levy", 214_000, "FIABC2600042", ["dream pop", "yö"], 2026, False]
    assert contract.unpack_track(field, record, packed) == track
    assert contract.unpack_track(field, record) == track._replace(details=contract.NO_DETAILS)
    later = orjson.dumps([*orjson.loads(packed), "added later"])
    assert contract.unpack_details(field, later) == details
    assert contract.unpack_details(field, contract.pack_details(contract.NO_DETAILS)) == contract.NO_DETAILS


@pytest.mark.parametrize(
    "damaged",
    [
        b"{",
        b"7",
        b"[null,null,null,[],null]",
        b"[null,null,null,null,null,null]",
        b'[null,null,null,"pop",null,null]',
        b"[null,null,null,[5],null,null]",
        b"[null,true,null,[],null,null]",
        b'[null,"214000",null,[],null,null]',
        b"[null,null,null,[],null,1]",
        b"[5,null,null,[],null,null]",
        b"[null,2.5,null,[],null,null]",
    ],
)
def test_details_that_are_not_details_are_refused(damaged: bytes) -> None:
    with pytest.raises(ContractError, match="track 258"):
        contract.unpack_details(contract.track_field(258), damaged)


def test_artists_come_back_and_are_named_after_their_key_as_tracks_are() -> None:
    artist = Artist(258, "a-1", None, "b10bbbfc-cf9e-42e0-be17-e2c3e1d2600d")
    field = contract.artist_field(258)
    assert field == b"\x00\x00\x01\x02"
    assert contract.unpack_artist(field, contract.pack_artist(artist)) == artist
    with pytest.raises(ContractError, match="artist 258"):
        contract.unpack_artist(field, b'["a-1", null]')


def test_blocks_come_back_and_the_same_ones_are_the_same_bytes() -> None:
    blocks = Blocks(frozenset({"t-2", "t-1", "Ночь"}), frozenset({"a-1"}))
    packed = contract.pack_blocks(blocks)
    assert packed == '[1,["t-1","t-2","Ночь"],["a-1"]]'.encode()
    assert contract.unpack_blocks(packed) == blocks
    tracks = [Track(1, "t-1", None, None, None, None), Track(2, "t-9", None, None, "a-1", None)]
    others = [Track(3, "t-3", None, None, None, None), Track(4, "a-1", None, None, "t-1", None)]
    assert [blocks.hold(track) for track in tracks + others] == [True, True, False, False]
    with pytest.raises(ContractVersionError, match="version 2, not 1"):
        contract.unpack_blocks(b'[2,{"another":"shape"}]')
    for damaged in (
        b"",
        b"[",
        b"[]",
        b"7",
        b"[1]",
        b'[1,["t-1"]]',
        b'[1,"t-1",[]]',
        b'[1,["t-1"],[5]]',
        b"[1,[],[],[]]",
    ):
        with pytest.raises(ContractError):
            contract.unpack_blocks(damaged)
