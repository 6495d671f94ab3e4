"""Whatever is in a file and however it is written: every row is accounted for, and names come out as they went in."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from loading import empty_raw_tables, load, query, state_of, tabular

from tests.workbooks import text_cells, write_workbook

COLUMNS = {"user_id": "u", "listened_at": "t", "track_id": "id", "title": "title"}
Row = tuple[str, str, str, str]
Write = Callable[[Path, Sequence[Row]], object]
Pack = Callable[[Path], Path]


class _Layout(NamedTuple):
    """How rows are written: the suffix of the file, what the mapping says of it, and what writes it."""

    suffix: str
    mapping: dict[str, object]
    write: Write


def _delimited(encoding: str = "utf-8", ends: str = "\n", **dialect: object) -> Write:
    def write(path: Path, rows: Sequence[Row]) -> object:
        text = io.StringIO()
        csv.writer(text, lineterminator=ends, **dialect).writerows([tuple(COLUMNS.values()), *rows])
        return path.write_bytes(text.getvalue().encode(encoding))

    return write


def _json(
    shape: Callable[[list[dict[str, str]]], str], encoding: str = "utf-8"
) -> Callable[[Path, Sequence[Row]], object]:
    def write(path: Path, rows: Sequence[Row]) -> object:
        objects = [dict(zip(COLUMNS.values(), row, strict=True)) for row in rows]
        return path.write_bytes(shape(objects).encode(encoding))

    return write


def _parquet(path: Path, rows: Sequence[Row]) -> None:
    pq.write_table(pa.table([list(column) for column in zip(*rows, strict=True)], list(COLUMNS.values())), path)


def _workbook(path: Path, rows: Sequence[Row]) -> None:
    cells = [text_cells(*row) for row in (tuple(COLUMNS.values()), *rows)]
    write_workbook(path.parent, {"one": cells}, name=path.name)


LAYOUTS = (
    _Layout(".csv", {}, _delimited()),
    _Layout(".csv", {}, _delimited("utf-16", "\r\n", quoting=csv.QUOTE_ALL)),
    _Layout(".csv", {"delimiter": ";", "quote": "'"}, _delimited(delimiter=";", quotechar="'")),
    _Layout(".csv", {"escape": "\\"}, _delimited(doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)),
    _Layout(".tsv", {"quoted": True}, _delimited("utf-8-sig", delimiter="\t")),
    _Layout(".jsonl", {}, _json(lambda rows: "\n".join(map(json.dumps, rows)))),
    _Layout(".json", {}, _json(lambda rows: json.dumps(rows, ensure_ascii=False, indent=1))),
    _Layout(".json", {"rows": "a.b"}, _json(lambda rows: json.dumps({"z": [[{}]], "a": {"b": rows}}), "utf-16")),
    _Layout(".json", {}, _json(lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows))),
    _Layout(".parquet", {}, _parquet),
    _Layout(".xlsx", {}, _workbook),
)


def _in_zip(path: Path) -> Path:
    with zipfile.ZipFile(packed := path.with_name("packed.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"My Data/{path.name}")
    return packed


def _in_tar(path: Path) -> Path:
    with tarfile.open(packed := path.with_name("packed.tar.gz"), "w:gz") as archive:
        archive.add(path, path.name)
    return packed


def _gzipped(path: Path) -> Path:
    (packed := path.with_name(f"{path.name}.gz")).write_bytes(gzip.compress(path.read_bytes()))
    return packed


PACKED: tuple[Pack, ...] = (Path, _gzipped, _in_zip, _in_tar)

# Neither white space at the ends, which is trimmed, nor what a text file cannot hold.
_text = st.text(
    st.one_of(
        st.sampled_from("\"'\\,;\t\n|#{}[]: "),
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Co", "Cs", "Zl", "Zp")),
    ),
    max_size=12,
).map(lambda text: f"{text}x".lstrip())
_good = st.tuples(_text, st.integers(1_400_000_000, 1_400_000_050).map(str), st.just(""), _text)
_bad = st.one_of(
    st.tuples(st.just(""), st.just("1400000000"), st.just("-"), _text),
    st.tuples(_text, st.sampled_from(["soon", "", "1", "99999999999"]), st.just("-"), _text),
    st.tuples(_text, st.just("1400000000"), st.just("-"), st.just("x" * 1001)),
)


@st.composite
def _rows(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Rows in the order of the file, and those of them that are listens; each of those has a track of its own."""
    good = [(user, time, str(n), title) for n, (user, time, _, title) in enumerate(draw(st.lists(_good, min_size=1)))]
    bad = draw(st.lists(_bad, max_size=len(good)))
    again = draw(st.lists(st.sampled_from(good), max_size=5))
    return draw(st.permutations([*good, *bad, *again])), good


def _check(url: str, folder: Path, rows: list[Row], good: list[Row], layout: _Layout, pack: Pack) -> None:
    for path in folder.iterdir():
        path.unlink()
    layout.write(path := folder / f"listens{layout.suffix}", rows)
    source, packed = tabular(columns=COLUMNS, **layout.mapping), pack(path)
    report = load(url, source, packed)
    repeats = sum(row in good for row in rows) - len(good)
    rejected = len(rows) - len(good) - repeats
    counts = (report.rows_read, report.rows_loaded, report.rows_rejected, report.rows_duplicate)
    assert counts == (len(rows), len(good), rejected, repeats)
    listens = "SELECT user_id, extract(epoch FROM listened_at)::bigint::text, track_id, title FROM raw.listens"
    found = query(url, f"{listens} JOIN raw.users USING (user_key) JOIN raw.tracks USING (track_key)")
    assert sorted(found) == sorted(good)
    state = state_of(url)
    assert load(url, source, packed).already_loaded
    assert state_of(url) == state


def _property(url: str, folder: Path, world: tuple[list[Row], list[Row]], layout: _Layout, pack: Pack) -> None:
    empty_raw_tables(url)
    _check(url, folder, *world, layout, pack)


_FIXTURES_STAY = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_row_is_accounted_for_and_names_come_out_as_they_went_in(warehouse_url: str, tmp_path: Path) -> None:
    checked = settings(
        max_examples=300,
        deadline=None,
        database=None,
        derandomize=True,
        # To make a failing example small takes minutes with a warehouse.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=_FIXTURES_STAY,
    )(given(world=_rows(), layout=st.sampled_from(LAYOUTS), pack=st.sampled_from(PACKED))(_property))
    checked(url=warehouse_url, folder=tmp_path)
