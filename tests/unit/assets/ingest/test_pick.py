"""From the columns of a file to the fields of a listen: fallbacks, parts of texts, nulls, rows that are left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.ingest.mapping import Mapping
from assets.ingest.pick import Picker
from assets.ingest.records import REJECT_SCHEMA, RawBatch
from warehouse.errors import AudoticsError

COLUMNS = {"user_id": "u", "listened_at": "t", "track_id": "id"}


def mapping(columns: dict[str, Any] | None = None, **keys: Any) -> Mapping:
    return Mapping.model_validate({"source": "shop", "columns": columns or COLUMNS, "time": {"unit": "s"}} | keys)


def pick(rules: Mapping, of_path: str | None = None, **columns: Sequence[Any] | pa.Array) -> RawBatch:
    """What is picked of a file that has these columns and no others."""
    picker = Picker(rules, Path("log.csv"), of_path)
    arrays = {name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in columns.items()}
    count = len(next(iter(arrays.values())))
    of_file = {name: arrays.get(column, pa.nulls(count)) for name, column in picker.columns.items()}
    rows = pa.table({"line": pa.array(range(1, count + 1), pa.int64()), **of_file})
    return picker.pick(RawBatch(rows, REJECT_SCHEMA.empty_table(), 1.0))


def values(field: str, picked: Any, *texts: str | None, **keys: Any) -> list[Any]:
    """The values of a field that is picked from the column `x`."""
    rules = mapping(COLUMNS | {field: picked}, **keys)
    given = pa.array(texts, pa.string())
    filler = ["1"] * len(texts)
    others = {column: filler for column in ("u", "t", "id") if column != "x"}
    return pick(rules, x=given, **others).rows[field].to_pylist()


def test_a_field_comes_from_the_first_of_its_columns_that_has_a_value() -> None:
    rules = mapping(COLUMNS | {"user_id": ["username", "user"]})
    rows = pick(
        rules, username=["ada", "", None, "nan"], user=["x", "bob", "cleo", "dan"], t=["1"] * 4, id=["1"] * 4
    ).rows
    assert rows["user_id"].to_pylist() == ["ada", "bob", "cleo", "dan"]
    rows = pick(rules, user=["bob"], t=["1"], id=["1"]).rows
    assert rows["user_id"].to_pylist() == ["bob"]


def test_a_file_without_any_of_the_columns_is_refused_unless_it_may_lack_them() -> None:
    with pytest.raises(AudoticsError, match=r"log\.csv lacks 'username' and 'user', .* user_id"):
        pick(mapping(COLUMNS | {"user_id": ["username", "user"]}), t=["1"], id=["1"])
    may_lack = mapping(COLUMNS | {"skipped": ["s", "z"]}, optional=["skipped"])
    assert pick(may_lack, u=["a"], t=["1"], id=["1"]).rows["skipped"].to_pylist() == [None]
    has_default = mapping(COLUMNS | {"user_id": {"column": ["username"], "default": "me"}})
    assert pick(has_default, t=["1"], id=["1"]).rows["user_id"].to_pylist() == ["me"]


def test_columns_are_joined_to_one_value_or_to_none() -> None:
    rules = mapping(
        COLUMNS | {"listened_at": {"column": ["date", "time"], "join": " "}}, time={"unit": "%d.%m.%Y %H:%M"}
    )
    rows = pick(rules, date=["11.06.2018", "12.06.2018"], time=["08:29", ""], u=["a"] * 2, id=["1"] * 2).rows
    assert rows["listened_at"].to_pylist() == ["11.06.2018 08:29", None]


def test_a_joined_value_needs_all_of_its_columns() -> None:
    rules = mapping(COLUMNS | {"listened_at": {"column": ["date", "time"], "join": " "}})
    with pytest.raises(AudoticsError, match=r"log\.csv lacks 'date' and 'time', .* listened_at"):
        pick(rules, date=["11.06.2018"], u=["a"], id=["1"])


def test_affixes_are_taken_off_once_and_only_where_they_are() -> None:
    watched = {"column": "x", "strip_prefix": ["Watched ", "Hat "]}
    assert values("title", watched, "Watched Roads", "Roads", "Watched Watched", "Hat (a) b", None) == [
        "Roads", "Roads", "Watched", "(a) b", None,
    ]  # fmt: skip
    topic = {"column": "x", "strip_suffix": " - Topic"}
    assert values("artist_name", topic, "Portishead - Topic", "Topic", " - Topic - Topic") == [
        "Portishead",
        "Topic",
        "- Topic",
    ]
    several = {"column": "x", "strip_suffix": ["a", " ba"]}
    assert values("title", several, "Roads ba", "Roada") == ["Roads", "Road"]
    odd = {"column": "x", "strip_prefix": "a.b(", "strip_suffix": "?"}
    assert values("title", odd, "a.b(c?", "axb(c") == ["c", "axb(c"]


def test_a_value_is_split_once_and_stays_whole_without_the_separator() -> None:
    for part, expected in (("before", ["Sigur Rós", "A", "Roads"]), ("after", ["Von", "B - C", "Roads"])):
        picked = {"column": "x", "split": " - ", "part": part}
        assert values("title", picked, "Sigur Rós - Von", "A - B - C", "Roads") == expected


def test_whole_texts_become_other_values() -> None:
    rating = {"column": "x", "values": {"S": "true", "L": "false"}}
    assert values("skipped", rating, "S", "L", "LS", "", optional=["skipped"]) == ["true", "false", "LS", None]


def test_spelled_nulls_are_null_in_ids_and_words_in_names() -> None:
    spelled = ["nan", "None", "NULL", r"\N", "N/A", ""]
    assert values("user_id", "x", *spelled) == [None] * 6
    assert values("title", "x", *spelled) == ["nan", "None", "NULL", r"\N", "N/A", None]
    assert values("title", "x", "-", "nan", nulls=["-"]) == [None, "nan"]


def test_whole_numbers_that_were_written_as_real_ones_are_whole_numbers_in_ids() -> None:
    for field in ("user_id", "track_id"):
        assert values(field, "x", "123.0", "123", "1.5", "v1.0", "007.00") == ["123", "123", "1.5", "v1.0", "007"]
    assert values("title", "x", "1.0") == ["1.0"]
    real = pick(mapping(COLUMNS | {"user_id": ["u", "v"]}), u=[7.0, None], v=[None, "8"], t=["1"] * 2, id=["1"] * 2)
    assert real.rows["user_id"].to_pylist() == ["7", "8"]


def test_numbers_and_instants_keep_their_type_where_nothing_is_done_to_them() -> None:
    rows = pick(mapping(), u=["a"], t=pa.array([1], pa.int64()), id=pa.array([5], pa.int32())).rows
    assert (rows.schema.field("listened_at").type, rows.schema.field("track_id").type) == (pa.int64(), pa.int32())


@pytest.mark.parametrize(
    ("condition", "left_out"),
    [
        ({"given": True}, ["Episode", "true", "12"]),
        ({"missing": True}, [None, " "]),
        ({"equals": ["TRUE", "episode"]}, ["Episode", "true"]),
        ({"differs_from": ["true"]}, ["Episode", None, " ", "12"]),
        ({"starts_with": ["epi"]}, ["Episode"]),
        ({"contains": ["SODE"]}, ["Episode"]),
        ({"below": 12.5}, ["12"]),
    ],
)
def test_a_rule_leaves_rows_out_by_one_column(condition: dict[str, Any], left_out: list[str | None]) -> None:
    texts = ["Episode", None, "true", " ", "12"]
    rules = mapping(leave_out=[{"rule": "podcast", "column": "x", **condition}])
    batch = pick(rules, u=["a"] * 5, t=["1"] * 5, id=["1"] * 5, x=texts)
    kept = [texts[line - 1] for line in batch.rows["line"].to_pylist()]
    assert kept == [text for text in texts if text not in left_out]
    assert batch.left_out == {"podcast": len(left_out)}
    assert batch.rows_read == 5


def test_the_first_rule_that_fits_counts_and_a_column_that_is_not_there_fits_none() -> None:
    rules = mapping(
        leave_out=[
            {"rule": "podcast", "column": "x", "given": True},
            {"rule": "audiobook", "column": "absent", "given": True},
            {"rule": "short", "column": "ms", "below": 30},
        ]
    )
    batch = pick(rules, u=["a"] * 3, t=["1"] * 3, id=["1"] * 3, x=["e", "nan", None], ms=[1, 2, 40])
    assert batch.left_out == {"podcast": 1, "short": 1}, "a spelled null is none"
    assert batch.rows["line"].to_pylist() == [3]
    for condition in ({"missing": True}, {"differs_from": ["music"]}):
        rules = mapping(leave_out=[{"rule": "other", "column": "absent", **condition}])
        assert pick(rules, u=["a"], t=["1"], id=["1"]).left_out == {}


def test_a_user_of_the_path_is_that_of_every_row() -> None:
    rules = mapping({"listened_at": "t", "track_id": "id"}, user_pattern="user=([^/]+)/")
    assert pick(rules, "o'brien", t=["1", "2"], id=["1", "2"]).rows["user_id"].to_pylist() == ["o'brien"] * 2


def test_a_column_of_lists_is_refused_with_a_way_to_its_parts() -> None:
    with pytest.raises(AudoticsError, match=r"the column 'id' holds values of the type list<.*such as id\.0"):
        pick(mapping(), u=["a"], t=["1"], id=[["x"]])
