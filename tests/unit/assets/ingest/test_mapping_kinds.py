"""Mappings of catalogues, tags, profiles and blocks: what is refused."""

import pytest
from pydantic import ValidationError

from assets.ingest.mapping import Mapping


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
