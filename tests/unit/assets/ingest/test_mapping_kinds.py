"""Mappings of catalogues, tags, profiles and blocks: what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from assets.ingest.mapping import Mapping

LISTENS = {
    "source": "shop",
    "columns": {"user_id": "u", "listened_at": "t", "track_id": "id"},
    "time": {"unit": "s"},
}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"credits": {"join_phrase": "j"}}, "names no list of artist_id, artist_mbid or artist_name"),
        ({"credits": {"artist_name": {"column": "a", "each": "b"}}}, "each"),
        ({"credits": {"artist_name": "a"}, "format": "csv"}, "csv has no lists: say with split what stands between"),
        ({"credits": {"artist_name": "a"}, "constants": {"artist_name": "A"}}, "in credits and in constants"),
        ({"credits": {"artist_id": "a", "join_phrase": {"column": "j", "split": ","}}}, "join_phrase cannot be split"),
        ({"credits": {"artist_id": "a"}, "kind": "tags", "time": None}, "credits are of tracks"),
    ],
)
def test_credits_that_have_no_effect_are_refused(keys: dict[str, Any], message: str) -> None:
    if keys.get("kind") == "tags":
        keys = {**keys, "columns": {"track_id": "id", "tag": "tag"}}
    with pytest.raises(ValidationError, match=message):
        Mapping.model_validate(LISTENS | keys)


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("tags", {"track_id": "id"}, "names tag"),
        ("tags", {"tag": "tag", "title": "t"}, "both title and artist_name; for artists, artist_id"),
        ("tags", {"tag": "tag", "artist_id": "a", "ms_played": "ms"}, "ms_played has no effect on kind = 'tags'"),
        ("blocks", {"track_id": "id"}, "names user_id, and there is no user_pattern"),
        ("blocks", {"user_id": "u", "item_kind": "k"}, "columns must name track_id"),
        ("blocks", {"user_id": "u", "track_id": "id", "isrc": "i"}, "isrc has no effect on kind = 'blocks'"),
        ("tags", {"tag": "tag", "artist_id": "a", "item_kind": "k"}, "item_kind has no effect on kind = 'tags'"),
        ("catalogue", {"isrc": "isrc"}, "columns must name track_id"),
        ("catalogue", {"artist_name": "a", "isrc": "isrc"}, "isrc has no effect in a catalogue of artists"),
        ("catalogue", {"track_id": "id", "user_id": "u"}, "user_id has no effect on kind = 'catalogue'"),
    ],
)
def test_a_row_of_another_kind_needs_what_it_is_about(kind: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mapping.model_validate({"kind": kind, "source": "shop", "columns": columns})
