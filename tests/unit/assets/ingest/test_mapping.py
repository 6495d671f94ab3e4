"""Mapping files: what is accepted, what is refused and how it is said."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from assets.ingest.lastfm_1k import LISTENS_NAME, LastFm1k
from assets.ingest.listing import list_files
from assets.ingest.mapping import FieldName, Mapping, read_mapping
from assets.ingest.mapping_parts import NULLS, CreditList, Credits, LeaveOut, Lookup, Pick, Time
from assets.ingest.tabular import Tabular
from tests.input_files import input_file, paths
from tests.repository import ROOT
from warehouse.errors import AudoticsError

EXAMPLES = ROOT / "examples" / "mappings"
MINIMAL = """
source = "shop"
[columns]
user_id = "u"
listened_at = "t"
track_id = "id"
[time]
unit = "s"
"""


def _mapping(folder: Path, text: str) -> Mapping:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path)


def test_every_example_is_a_mapping() -> None:
    names = {path.name for path in EXAMPLES.glob("*.toml")}
    assert {"30music.toml", "csv_export.toml", "player_log.toml"} <= names
    for name in names:
        read_mapping(EXAMPLES / name)


def test_the_order_of_what_has_none_changes_no_digest(tmp_path: Path) -> None:
    texts = (
        'source = "shop"\noptional = ["title", "skipped"]\nnulls = ["-", "?"]\ncomment = ["#", ";"]\n[columns]\n'
        'user_id = "u"\nskipped = "s"\nlistened_at = ["t", "at"]\ntrack_id = "id"\n'
        'title = { column = "x", strip_prefix = ["a", "b"], values = { S = "true", L = "false" } }\n'
        '[time]\nunit = "s"\n[[leave_out]]\nrule = "a"\ncolumn = "x"\nequals = ["1", "2"]\n',
        '[[leave_out]]\nequals = ["2", "1", "2"]\ncolumn = "x"\nrule = "a"\n[time]\nunit = ["s"]\n[columns]\n'
        'title = { values = { L = "false", S = "true" }, strip_prefix = ["b", "a"], column = ["x"] }\n'
        'track_id = "id"\nlistened_at = ["t", "at"]\nskipped = "s"\nuser_id = "u"\n',
    )
    top = 'comment = [";", "#"]\nnulls = ["?", "-"]\noptional = ["skipped", "title"]\nsource = "shop"\n'
    one, other = (_mapping(tmp_path, text).digest for text in (texts[0], top + texts[1]))
    assert one == other
    assert _mapping(tmp_path, texts[0].replace('["t", "at"]', '["at", "t"]')).digest != one, "the first counts"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "shop"', 'source = "shop"\nsauce = 1', r"sauce: no such key; keys are .*source"),
        ('unit = "s"', 'unit = "s"\nzoom = 1', r"time\.zoom: no such key; keys are unit, zone, offset, event"),
        ('unit = "s"', 'unit = "seconds"', r"time\.unit: unit is one of s, ms, us, ns, iso8601, or a strptime format"),
        ('unit = "s"', 'unit = "s"\nevent = "middle"', r"time\.event: .*'start' or 'end'"),
        ('unit = "s"', 'unit = "s"\nevent = "end"', r"time.event = 'end' needs a column for ms_played"),
        ('unit = "s"', 'unit = "s"\nend = "e"', r"time.end needs a column for ms_played"),
        ('unit = "s"', 'unit = "s"\nevent = "end"\nend = "e"', r"end has no effect beside event = 'end'"),
        ('track_id = "id"', 'track_id = {column = "id", match = "(a)(b)"}', r"match: has 2 groups"),
        ('track_id = "id"', 'track_id = {column = "id", match = "(?=a)(b)"}', r"match: is not a regular expression"),
        ('user_id = "u"', 'user = "u"', r"columns\.user: .*'user_id'"),
        ('user_id = "u"', "", r"neither columns nor constants names user_id"),
        ('listened_at = "t"', "", r"no column for listened_at"),
        ('[time]\nunit = "s"', "", r"time is missing"),
        ('source = "shop"', 'source = "shop"\nkind = "tag"', r"kind: .*'catalogue', 'tags', 'profiles' or 'blocks'"),
        ('source = "shop"', 'source = "shop"\nkind = "tags"', r"time and user_pattern have no effect on kind = 'tags'"),
        ('track_id = "id"', 'track_id = "id"\ntag = "tag"', r"tag has no effect on kind = 'listens'"),
        ('track_id = "id"', 'track_id = {column = "id", lookup = {file = "a"}}', r"lookup\.key: Field required"),
        ('track_id = "id"', 'title = "x"', r"track_id or recording_mbid, or both title and artist_name"),
        ('track_id = "id"', 'track_id = ""', r"columns\.track_id: "),
        ('source = "shop"', 'source = "mbid"', r"source cannot be 'mbid'"),
        ('source = "shop"', 'source = "a b"', r"source: "),
        ('source = "shop"', "", r"source: Field required"),
        (
            'source = "shop"',
            'source = "shop"\noptional = ["title"]',
            r"optional lists title, which columns does not map",
        ),
        ("[time]", '[constants]\nuser_id = "me"\n[time]', r"user_id is in columns and in constants"),
        ('source = "shop"', 'source = "shop"\ndelimiter = ";;"', r"delimiter: "),
        ('source = "shop"', 'source = "shop"\nformat = "ods"', r"format: "),
        ('source = "shop"', 'source = "shop"\ndelimiter = \'"\'', r"delimiter, quote and escape must be different"),
        ('source = "shop"', 'source = "shop"\nformat = "csv"\nquote = ","', r"quote and escape must be different"),
        ('source = "shop"', 'source = "shop"\nformat = "tsv"\nquote = "\\t"', r"quote and escape must be different"),
        ('source = "shop"', 'source = "shop"\nescape = ";"\ndelimiter = ";"', r"quote and escape must be different"),
        (
            'source = "shop"',
            'source = "shop"\nencoding = "punycode"',
            r"encoding: is not an encoding that Python knows",
        ),
        (
            'unit = "s"',
            'unit = "s"\n[[leave_out]]\nrule = "bad_timestamp"\ncolumn = "t"\nmissing = true',
            r"leave_out\.0\.rule: bad_timestamp is why rows are rejected; call the rule otherwise",
        ),
        ('source = "shop"', 'source = "shop"\nencoding = "cp9"', r"encoding: is not an encoding that Python knows"),
        ('source = "shop"', 'source = "shop"\nskip_lines = -1', r"skip_lines: "),
        ('source = "shop"', 'source = "shop"\nescape = "ab"', r"escape: "),
        ("[time]", "[time", r"is not TOML"),
        ('unit = "s"', 'unit = ["s", "soon"]', r"time\.unit: unit is one of s"),
        (
            'unit = "s"',
            'unit = "s"\nzone = "Asia/Tokyo"\noffset = "o"',
            r"time: zone and offset say the same; keep one",
        ),
        ('track_id = "id"', "track_id = []", r"columns\.track_id: names no column"),
        ('track_id = "id"', 'track_id = {column = "id", split = "-"}', r"columns\.track_id: split and part belong"),
        ('track_id = "id"', 'track_id = {column = "id", join = "-"}', r"columns\.track_id: join has no effect on one"),
        (
            'track_id = "id"',
            'track_id = {column = "id", trim = true}',
            r"columns\.track_id\.trim: no such key; keys are column, join",
        ),
        ('source = "shop"', 'source = "shop"\nplayed_unit = "s"', r"played_unit has no effect without a column"),
        ('source = "shop"', 'source = "shop"\nformat = "parquet"\nquoted = true', r"quoted has no effect on parquet"),
        ('source = "shop"', 'source = "shop"\nformat = "csv"\nrows = "items"', r"rows has no effect on csv"),
        ('source = "shop"', 'source = "shop"\nuser_pattern = "u=(.*)"', r"so user_pattern has no effect"),
        (
            'unit = "s"',
            'unit = "s"\n[[leave_out]]\nrule = "podcast"\ncolumn = "e"',
            r"leave_out\.0: needs exactly one of given",
        ),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(AudoticsError, match=message) as raised:
        _mapping(tmp_path, MINIMAL.replace(old, new))
    assert "shop.toml" in str(raised.value)


def test_a_missing_mapping_points_to_the_examples(tmp_path: Path) -> None:
    with pytest.raises(
        AudoticsError, match=r"nope\.toml: No such file or directory; examples are in examples/mappings"
    ):
        read_mapping(tmp_path / "nope.toml")


def test_the_format_changes_with_the_meaning_of_a_mapping_and_not_with_its_comments(tmp_path: Path) -> None:
    plain = Tabular(_mapping(tmp_path, MINIMAL)).format
    assert plain.startswith("tabular/")
    assert Tabular(_mapping(tmp_path, "# a comment\n" + MINIMAL)).format == plain
    assert Tabular(_mapping(tmp_path, MINIMAL + 'zone = "UTC"')).format == plain
    assert Tabular(_mapping(tmp_path, MINIMAL.replace('"s"', '"ms"'))).format != plain
    assert Tabular(_mapping(tmp_path, MINIMAL.replace('"id"', '"id2"'))).format != plain


def test_the_extension_tells_the_format_and_the_mapping_overrules_it(tmp_path: Path) -> None:
    content = b"u;t;id\nada;1400000000;x\n"
    (tmp_path / "a.csv").write_bytes(content)
    (tmp_path / "a.txt").write_bytes(content)
    semicolons = MINIMAL.replace("[columns]", 'delimiter = ";"\n[columns]')
    by_name = Tabular(_mapping(tmp_path, semicolons))
    assert next(by_name.read(input_file(tmp_path / "a.csv"))).rows["track_id"].to_pylist() == ["x"]
    with pytest.raises(AudoticsError, match=r"cannot tell the format of .*a\.txt .* add format = "):
        by_name.read(input_file(tmp_path / "a.txt"))
    forced = Tabular(_mapping(tmp_path, 'format = "csv"\n' + semicolons))
    assert next(forced.read(input_file(tmp_path / "a.txt"))).rows["track_id"].to_pylist() == ["x"]


def test_the_keys_for_how_a_file_is_written_reach_the_readers(tmp_path: Path) -> None:
    keys = """skip_lines = 1\ncomment = "%"\nquote = "'"\nescape = "^"\nencoding = "cp1252"\n"""
    content = "preamble\nu,t,id\n% note\nada,1400000000,'Ä^', x'\n"
    (tmp_path / "a.csv").write_bytes(content.encode("cp1252"))
    csv = Tabular(_mapping(tmp_path, keys + MINIMAL))
    assert next(csv.read(input_file(tmp_path / "a.csv"))).rows["track_id"].to_pylist() == ["Ä', x"]
    (tmp_path / "a.json").write_bytes('{"data": {"s": [{"u": "ada", "t": 1, "id": "Ä"}]}}'.encode("cp1252"))
    document = Tabular(_mapping(tmp_path, 'rows = "data.s"\nencoding = "cp1252"\n' + MINIMAL))
    batches = document.read(input_file(tmp_path / "a.json"))
    assert [title for batch in batches for title in batch.rows["track_id"].to_pylist()] == ["Ä"]


def test_a_folder_stands_for_its_files_in_order_of_name(tmp_path: Path) -> None:
    mapping = _mapping(tmp_path, MINIMAL)
    with pytest.raises(AudoticsError, match=r"has no csv, json, jsonl, parquet, tsv, xlsx file"):
        Tabular(mapping).find(list_files(tmp_path))
    for name in "b.csv", "a.csv.gz", "c/a.ndjson", "d.PARQUET", "notes.txt", "e.gz":
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [file.relative for file in Tabular(mapping).find(list_files(tmp_path))]
    assert found == ["a.csv.gz", "b.csv", "c/a.ndjson", "d.PARQUET"]
    only_csv = Tabular(mapping.model_copy(update={"format": "csv"}))
    assert [file.name for file in only_csv.find(list_files(tmp_path))] == ["a.csv.gz", "b.csv"]


def test_lastfm_finds_its_listens_in_a_folder_plain_before_gzipped(tmp_path: Path) -> None:
    with pytest.raises(AudoticsError, match=f"has no {LISTENS_NAME}"):
        LastFm1k().find(list_files(tmp_path))
    (tmp_path / f"{LISTENS_NAME}.gz").touch()
    assert paths(LastFm1k().find(list_files(tmp_path))) == [tmp_path / f"{LISTENS_NAME}.gz"]
    (tmp_path / LISTENS_NAME).touch()
    assert paths(LastFm1k().find(list_files(tmp_path))) == [tmp_path / LISTENS_NAME]
    (tmp_path / "any.tsv").touch()
    assert paths(LastFm1k().find(list_files(tmp_path / "any.tsv"))) == [tmp_path / "any.tsv"]


def test_lastfm_profiles_keep_what_can_be_understood(tmp_path: Path) -> None:
    (tmp_path / "userid-profile.tsv").write_text(
        "#id\tgender\tage\tcountry\tregistered\n"
        "u1\tm\t22\tCôte d'Ivoire\tAug 13, 2006\n"
        "u2\t\t\t\t\n"
        "u3\tf\t4294967296\tPeru\tsoon\n"
        "u4\tf\t-3\tPeru\n"
        "u1\tf\t99\tPeru\tFeb 24, 2006\n"
        "\tf\t99\tPeru\tFeb 24, 2006\n",
        encoding="utf-8",
    )
    listens, other = tmp_path / LISTENS_NAME, tmp_path / "other.tsv"
    for path in (listens, other):
        path.touch()
    profiles = LastFm1k().profiles(input_file(listens))
    assert profiles is not None
    assert [[str(value) for value in row.values()] for row in profiles.to_pylist()] == [
        ["u1", "m", "22", "Côte d'Ivoire", "2006-08-13"],
        ["u2", "None", "None", "None", "None"],
        ["u3", "f", "None", "Peru", "None"],
    ]
    assert LastFm1k().profiles(input_file(other)) is None


def test_lastfm_profiles_without_a_known_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "userid-profile.tsv").write_text("user\tage\nu1\t3\n")
    (tmp_path / LISTENS_NAME).touch()
    with pytest.raises(AudoticsError, match=r"userid-profile\.tsv has no column '#id'"):
        LastFm1k().profiles(input_file(tmp_path / LISTENS_NAME))


def test_the_page_on_mappings_explains_every_key_and_no_other() -> None:
    page = (ROOT / "docs" / "mappings.md").read_text(encoding="utf-8")
    explained = {
        key
        for line in page.splitlines()
        if line.startswith("| `")
        for key in re.findall("`([^`]+)`", line.split("|")[1])
    }
    models = (Mapping, Pick, Lookup, Credits, CreditList, Time, LeaveOut)
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    # In the sentence above their table.
    assert keys - explained == {"rule"}
    assert explained <= keys
    (columns,) = [line for line in page.splitlines() if line.startswith("| `columns`")]
    assert set(re.findall("`([^`]+)`", columns.split("|")[2])) == set(get_args(FieldName))
    (nulls,) = [line for line in page.splitlines() if line.startswith("| `nulls`")]
    assert set(re.findall("`([^`]+)`", nulls.split("|")[3])) == {*NULLS, "title", "artist_name", "tag"}
    example = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    Mapping.model_validate(example)


def test_the_format_does_not_change_with_the_order_of_keys(tmp_path: Path) -> None:
    other = MINIMAL.replace('user_id = "u"\nlistened_at = "t"', 'listened_at = "t"\nuser_id = "u"')
    assert other != MINIMAL
    assert Tabular(_mapping(tmp_path, other)).format == Tabular(_mapping(tmp_path, MINIMAL)).format


def test_a_user_in_a_path_is_read_as_hive_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "user=J%C3%B6rg" / "plays.csv"
    path.parent.mkdir()
    path.write_text("t,id\n")
    rules = MINIMAL.replace('user_id = "u"', "").replace(
        'source = "shop"', """source = "shop"\nuser_pattern = 'user=([^/]+)/'"""
    )
    assert Tabular(_mapping(tmp_path, rules)).told_user(input_file(path)) == "Jörg"


def test_a_column_that_a_format_lacks_is_told_without_blaming_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "plays.csv"
    path.write_text("t,id\n1,1\n")
    with pytest.raises(
        AudoticsError, match=r"no column 'u', where the format shop-export has user_id; it has t, id\. "
    ):
        list(Tabular(_mapping(tmp_path, MINIMAL), "", "shop-export").read(input_file(path)))
