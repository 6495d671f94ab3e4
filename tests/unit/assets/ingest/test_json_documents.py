"""JSON documents: lists of rows, rows under a key, several documents, and documents that are broken or cut off."""

import json
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from assets.ingest import json_documents, json_rows
from assets.ingest.json_documents import read_rows
from assets.ingest.json_rows import read_json
from assets.ingest.json_tokens import Tokens
from tests.input_files import input_file
from warehouse.errors import AudoticsError

ROWS = [
    {"u": "ada", "t": "Röads [live], {x}", "n": {"a": [1, [2]]}},
    {"u": 'say "x" \\', "t": ']}, \\"', "n": []},
    {"u": "", "t": "two\nlines\\\\", "n": None},
    {"u": "bob", "t": "\u2028 𝄞 ,", "n": {}},
]


def _file(folder: Path, text: str | bytes, name: str = "history.json"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return input_file(path)


def _texts(file, path: str = "", block_bytes: int = 1 << 20) -> list[tuple[int, str]]:
    batches = read_rows(file, [str(step) for step in json_rows.path_steps(path)], None, block_bytes)
    return [(row["line"], row["text"]) for batch in batches for row in batch.lines.to_pylist()]


def _values(file, path: str = "", block_bytes: int = 1 << 20) -> list[object]:
    return [json.loads(text) for _, text in _texts(file, path, block_bytes)]


def _read(file, columns: dict[str, str], rows: str | None = None, optional: tuple[str, ...] = ()):
    batches = list(read_json(file, columns, optional, rows))
    values = [tuple(row[name] for name in ("line", *columns)) for batch in batches for row in batch.rows.to_pylist()]
    return values, [(row["line"], row["reason"]) for batch in batches for row in batch.rejects.to_pylist()]


def _dumped(values: list, indent: int | None) -> list[str]:
    return [json.dumps(value, indent=indent) for value in values]


DOCUMENTS = {
    "a list": ("", lambda rows, indent: json.dumps(rows, indent=indent, ensure_ascii=False)),
    "escaped letters": ("", lambda rows, indent: json.dumps(rows, indent=indent)),
    "objects one after the other": ("", lambda rows, indent: "\n".join(json.dumps(row, indent=indent) for row in rows)),
    "objects without anything between": (
        "",
        lambda rows, indent: "".join(json.dumps(row, indent=indent) for row in rows),
    ),
    "lists one after the other": ("", lambda rows, indent: "\n".join(json.dumps([row], indent=indent) for row in rows)),
    "lists in a list": ("", lambda rows, indent: json.dumps([rows[:1], [], [[rows[1]]], rows[2:]], indent=indent)),
    "under a key": ("s", lambda rows, indent: json.dumps({"a": [1, {"s": [9]}], "s": rows, "z": [{}]}, indent=indent)),
    "under keys": (
        "d.items",
        lambda rows, indent: json.dumps(
            {"items": [8], "d": {"n": {"items": [7]}, "x": '}],"', "items": rows}, "e": {"items": [6]}}, indent=indent
        ),
    ),
    "under a key that is written with escapes": (
        "ä",
        lambda rows, indent: json.dumps({"x": 1, "ä": rows}, indent=indent),
    ),
    "under a key with dots": ('"a.b".c', lambda rows, indent: json.dumps({"a.b": {"c": rows}}, indent=indent)),
    "pages": (
        "p.i",
        lambda rows, indent: json.dumps([{"p": {"i": rows[:2]}}, 3, {"p": {"i": rows[2:]}}], indent=indent),
    ),
    "documents with a key": (
        "payload",
        lambda rows, indent: "\n".join(json.dumps({"payload": [row]}, indent=indent) for row in rows),
    ),
    "single rows under a key": (
        "row",
        lambda rows, indent: "\n".join(json.dumps({"row": row, "z": 1}, indent=indent) for row in rows),
    ),
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_rows_are_found_wherever_they_stand_and_whatever_the_block_size(tmp_path: Path, kind: str, indent) -> None:
    path, write = DOCUMENTS[kind]
    file = _file(tmp_path, write(ROWS, indent))
    for block_bytes in (1, 3, 64, 1 << 20):
        assert _values(file, path, block_bytes) == ROWS, block_bytes


@pytest.mark.parametrize("documents", [20, pytest.param(1_000, marks=pytest.mark.slow)])
def test_random_documents_come_out_as_they_went_in(tmp_path: Path, documents: int) -> None:
    chance = random.Random(15)
    pieces = ['"', "\\", "[", "]", "{", "}", ",", ":", "a", " ", "\n", "é", "\\u0041"]

    def value(depth: int) -> object:
        kind = chance.randrange(5 if depth else 2)
        if kind == 0:
            return "".join(chance.choices(pieces, k=chance.randrange(8)))
        if kind == 1:
            return chance.choice([None, True, 1.5, -7, 2**70])
        if kind < 4:
            return {value_text(): value(depth - 1) for _ in range(chance.randrange(4))}
        return [value(depth - 1) for _ in range(chance.randrange(4))]

    def value_text() -> str:
        return "".join(chance.choices(pieces, k=chance.randrange(5)))

    for _ in range(documents):
        rows = [{"u": value(3)} for _ in range(chance.randrange(6))]
        file = _file(
            tmp_path, json.dumps({"x": value(4), "rows": rows, "y": value(4)}, indent=chance.choice([None, 2]))
        )
        for block_bytes in (5, 1 << 20):
            assert _values(file, "rows", block_bytes) == rows


@pytest.mark.parametrize("separator", [",", ",\n"])
def test_rows_are_numbered_in_their_order_because_many_may_stand_on_one_line(tmp_path: Path, separator: str) -> None:
    text = '{"s": [[' + separator.join(f'{{"u": {number}}}' for number in range(40)) + "], {}]}"
    for block_bytes in (1, 64, 1 << 20):
        assert [line for line, _ in _texts(_file(tmp_path, text), "s", block_bytes)] == list(range(1, 42))


def test_a_broken_row_is_a_reject_of_its_own(tmp_path: Path) -> None:
    broken = ('{"u": }', "oops", '"u"', "7", '{"u": 2} {"u": 3}', '{"u": "\x00"}', '{"u": "x\xff"}')
    text = ",\n".join(['[{"u": 1}', *broken, '{"u": 4}', "]"]).encode("latin-1")
    values, rejects = _read(_file(tmp_path, text), {"user_id": "u"})
    assert values == [(1, "1"), (9, "4")]
    assert sorted(rejects) == [
        *((line, "malformed_json") for line in range(2, 7)), (7, "nul_byte"), (8, "invalid_utf8")
    ]  # fmt: skip


def test_what_stands_between_documents_and_is_not_json_is_a_reject(tmp_path: Path) -> None:
    values, rejects = _read(_file(tmp_path, '[{"u": 1}]\nand\n[{"u": 2}], "x"\n'), {"user_id": "u"})
    assert (values, rejects) == ([(1, "1"), (3, "2")], [(2, "malformed_json"), (4, "malformed_json")])


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_document_that_is_cut_anywhere_is_refused_or_ends_after_a_whole_value(
    tmp_path: Path, kind: str, step: int
) -> None:
    path, write = DOCUMENTS[kind]
    text = write(ROWS, None).encode()
    whole = 0
    for cut in range(1, len(text), step):
        file = _file(tmp_path, text[:cut])
        try:
            values = _values(file, path, 50)
        except AudoticsError as error:
            assert "ends within its JSON, on line" in str(error), cut
        else:
            whole += 1
            assert values == ROWS[: len(values)]
    assert whole <= 2 * len(ROWS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"u": 1}}', "is not JSON from line 1 on"),
        ('[{"u": 1}]]', "is not JSON from line 1 on"),
        ('{"s": [{"u": 1}}\n', "is not JSON from line 1 on"),
        ('{"s": [{"u": 1}], oops }' + " " * 70_000, "is not JSON from line 1 on"),
        ('{"a": [{"u": 1}], "b": {"s": []}}', r"has no rows under 's', .* its keys at the top are a, b"),
        ("", "has no rows under 's'"),
    ],
)
def test_a_document_that_is_broken_around_its_rows_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AudoticsError, match=rf"history\.json {message}"):
        _texts(_file(tmp_path, text), "" if text.startswith("[") else "s")


def test_an_endless_row_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "LONGEST_LINE_BYTES", 1 << 16)
    text = '[{"u": 1},\n{"u": "' + "x" * (1 << 18)
    with pytest.raises(AudoticsError, match=r"value longer than 0 MB, from line 2 on; if its rows stand under"):
        _texts(_file(tmp_path, text), "", 1 << 15)


def test_what_holds_no_rows_may_be_larger_than_any_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "LONGEST_LINE_BYTES", 1 << 16)
    text = json.dumps({"x": [['y\\"' * 50_000], "z" * 200_000], "s": ROWS, "w": "v" * 200_000})
    assert _values(_file(tmp_path, text), "s", 1 << 12) == ROWS


LINES = "\n".join(json.dumps(row) for row in ROWS)


@pytest.mark.parametrize(
    ("text", "is_lines"),
    [
        (LINES, True),
        ("\n\n" + LINES, True),
        ('{"u": \n' + LINES, True),
        ("not json\n" + LINES, True),
        (json.dumps(ROWS[0]), True),
        (json.dumps(ROWS[0], indent=1), False),
        ("{\n" + json.dumps(ROWS[0])[1:], False),
        (json.dumps(ROWS), False),
        (" [\n" + LINES.replace("\n", ",\n") + "\n]", False),
        (json.dumps(ROWS[0]) + json.dumps(ROWS[1]), False),
    ],
)
def test_lines_are_told_from_documents_by_their_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, is_lines: bool
) -> None:
    taken: list[str] = []
    for name in ("read_lines", "read_rows"):
        monkeypatch.setattr(json_rows, name, partial(lambda name, *args: taken.append(name) or iter(()), name))
    try:
        list(read_json(_file(tmp_path, text), {"user_id": "u"}))
    except AudoticsError as error:
        assert "is empty" in str(error)
    assert taken == ["read_lines" if is_lines else "read_rows"]


@pytest.mark.parametrize("name", ["history.json", "history.jsonl"])
def test_lines_and_documents_of_the_same_rows_give_the_same(tmp_path: Path, name: str) -> None:
    columns = {"user_id": "u", "title": "t", "artist_name": "n.a.0"}
    found = [
        [values[1:] for values in _read(_file(tmp_path, text, name), columns)[0]]
        for text in (LINES, json.dumps(ROWS), json.dumps(ROWS, indent=2))
    ]
    assert found[0] == [(row["u"], row["t"], "1" if row["u"] == "ada" else None) for row in ROWS]
    assert found[1:] == found[:1] * 2


def test_a_key_that_has_dots_goes_before_the_path_and_quotation_marks_name_it_within_one(tmp_path: Path) -> None:
    rows = [
        {"track.name": "whole", "track": {"name": "path", "by.name": "X", "0": "zero"}},
        {"track": {"name": "path"}},
        {"track.name": None, "track": {"name": "path"}},
    ]
    columns = {"title": "track.name", "artist_name": 'track."by.name"', "track_id": 'track."0"'}
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows)):
        values, _ = _read(_file(tmp_path, text), columns)
        assert [value[1:] for value in values] == [("whole", "X", "zero"), ("path", None, None), ("path", None, None)]
    values, _ = _read(_file(tmp_path, json.dumps(rows[:1])), {"title": "track.name"})
    assert values == [(1, "whole")]


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    numbers = ["9007199254740993", "18446744073709551615", f"{10**40}", "-9007199254740993"]
    text = "[" + ",".join(f'{{"u": {number}}}' for number in numbers) + "]"
    assert [value for _, value in _read(_file(tmp_path, text), {"user_id": "u"})[0]] == numbers


def test_what_is_not_a_number_is_null_and_a_text_of_that_name_is_not(tmp_path: Path) -> None:
    text = '[{"u": NaN, "t": "NaN"}, {"u": -Infinity, "t": "inf"}, {"u": 1e5, "t": "Infinity"}]'
    values, rejects = _read(_file(tmp_path, text), {"user_id": "u", "title": "t"})
    assert values == [(1, None, "NaN"), (2, None, "inf"), (3, "100000.0", "Infinity")]
    assert rejects == []


@pytest.mark.parametrize("text", ["", "\n\r\n"])
def test_an_empty_file_is_refused_and_an_empty_list_is_not(tmp_path: Path, text: str) -> None:
    with pytest.raises(AudoticsError, match="is empty"):
        _read(_file(tmp_path, text), {"user_id": "u"})
    assert _read(_file(tmp_path, "[ ]"), {"user_id": "u"}) == ([], [])


def test_a_document_may_be_utf_16(tmp_path: Path) -> None:
    text = json.dumps(ROWS, ensure_ascii=False).encode("utf-16")
    assert [value for _, value in _read(_file(tmp_path, text), {"title": "t"})[0]] == [row["t"] for row in ROWS]


def test_tokens_stand_outside_of_texts() -> None:
    text = r'{"a\"]": [1, "\\"], "b": "\\\"}", "c": {}}'
    tokens = Tokens(np.frombuffer(text.encode(), np.uint8), in_text=False, depth=0)
    assert "".join(tokens.character(token) for token in range(len(tokens))) == "{[,],,{}}"
    assert (tokens.depth, tokens.in_text) == (0, False)
    rest = Tokens(np.frombuffer(text[3:].encode(), np.uint8), in_text=True, depth=1)
    assert rest.depth == 0
