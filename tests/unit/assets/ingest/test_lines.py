"""Lines of text files: numbers, line ends, and the bytes that cannot be stored."""

import codecs
from pathlib import Path

import pytest

from assets.ingest import lines
from assets.ingest.files import InputFile
from assets.ingest.lines import LineBatch, read_lines
from tests.input_files import input_file
from warehouse.errors import AudoticsError


def _write(folder: Path, content: bytes) -> InputFile:
    path = folder / "listens.tsv"
    path.write_bytes(content)
    return input_file(path)


def _rows(batches: list[LineBatch]) -> list[tuple[int, str]]:
    return [(row["line"], row["text"]) for batch in batches for row in batch.lines.to_pylist()]


def _rejects(batches: list[LineBatch]) -> list[tuple[int, str, str | None]]:
    return [(row["line"], row["reason"], row["fields"]) for batch in batches for row in batch.rejects.to_pylist()]


def test_empty_lines_are_not_rows_but_count_in_line_numbers(tmp_path: Path) -> None:
    batches = list(read_lines(_write(tmp_path, b"\nalpha\n\n\nbeta\n\n")))
    assert _rows(batches) == [(2, "alpha"), (5, "beta")]


def test_lf_crlf_and_a_missing_last_line_end_give_the_same_rows(tmp_path: Path) -> None:
    expected = [(1, "alpha\tx"), (2, "beta")]
    for content in b"alpha\tx\nbeta\n", b"alpha\tx\r\nbeta\r\n", b"alpha\tx\nbeta", b"alpha\tx\r\nbeta":
        assert _rows(list(read_lines(_write(tmp_path, content)))) == expected, content


def test_a_carriage_return_inside_a_line_stays(tmp_path: Path) -> None:
    assert _rows(list(read_lines(_write(tmp_path, b"al\rpha\r\nbe\r\r\n")))) == [(1, "al\rpha"), (2, "be\r")]


def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path) -> None:
    assert _rows(list(read_lines(_write(tmp_path, b"\xef\xbb\xbfid\n")))) == [(1, "id")]


@pytest.mark.parametrize("content", [b"", b"\n\n\r\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_gives_none(tmp_path: Path, content: bytes) -> None:
    assert _rows(list(read_lines(_write(tmp_path, content)))) == []


def test_small_blocks_give_the_same_lines_as_one_block(tmp_path: Path) -> None:
    texts = [f"line {number} " + "ä€𝄞"[: number % 4] * (number % 7) for number in range(1, 400)]
    content = b"\xef\xbb\xbf" + "\r\n".join(texts).encode() + b"\r\nbad \xff\r\n"
    path = _write(tmp_path, content)
    whole = list(read_lines(path))
    assert len(whole) == 1
    assert _rows(whole) == list(enumerate(texts, 1))
    for block_bytes in 1, 5, 64, 1000:
        batches = list(read_lines(path, block_bytes=block_bytes))
        assert _rows(batches) == _rows(whole), block_bytes
        assert _rejects(batches) == [(400, "invalid_utf8", None)]


def test_bytes_that_are_not_utf_8_are_rejected_without_their_text(tmp_path: Path) -> None:
    content = b"good\ncaf\xe9\n\xc3\n\xa9t\xc3\xa9\nfine \xc3\xa9\n\xed\xa0\x80\nend\n"
    batches = list(read_lines(_write(tmp_path, content)))
    assert _rows(batches) == [(1, "good"), (5, "fine é"), (7, "end")]
    assert _rejects(batches) == [
        (2, "invalid_utf8", None),
        # Side by side lines 3 and 4 would make a character; neither is text by itself.
        (3, "invalid_utf8", None),
        (4, "invalid_utf8", None),
        (6, "invalid_utf8", None),
    ]


def test_a_nul_byte_is_rejected_and_invalid_utf_8_comes_first(tmp_path: Path) -> None:
    batches = list(read_lines(_write(tmp_path, b"a\0b\n\0\xff\nc\nd\0\0\n")))
    assert _rows(batches) == [(3, "c")]
    assert _rejects(batches) == [
        (1, "nul_byte", None),
        (2, "invalid_utf8", None),
        (4, "nul_byte", None),
    ]


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE_BYTES", 1 << 20)
    path = _write(tmp_path, b"first\n" + b"x" * (3 << 20))
    with pytest.raises(AudoticsError, match=r"line 2 of .*listens\.tsv is longer than 1 MB"):
        list(read_lines(path, block_bytes=1 << 18))


def test_progress_reaches_the_end_and_never_falls_back(tmp_path: Path) -> None:
    done = [batch.done for batch in read_lines(_write(tmp_path, b"alpha\n" * 500), block_bytes=100)]
    assert done == sorted(done)
    assert (0 < done[0] < 0.1, done[-1]) == (True, 1.0)


TEXTS = ["line 1", "Die Ärzte", "¡Nuclear!", "a\tb", "ends"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
        ("utf-8", b""),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ],
)
def test_the_encodings_that_a_file_shows_are_read_with_every_line_end(
    tmp_path: Path, encoding: str, mark: bytes, ends: str
) -> None:
    path = _write(tmp_path, mark + ends.join(TEXTS).encode(encoding))
    plain = encoding.removesuffix("-le").removesuffix("-be")
    for given in (None, encoding, plain, "cp1252" if mark else None):
        assert _rows(list(read_lines(path, given))) == list(enumerate(TEXTS, 1)), given


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-8-sig", "shift_jis", "UTF8"])
def test_a_stated_encoding_is_decoded_whatever_the_block_size(tmp_path: Path, encoding: str) -> None:
    texts = ["首" if encoding == "shift_jis" else "Ä€"[: 1 if encoding == "latin-1" else 2], "plain"] * 40
    path = _write(tmp_path, "\n".join(texts).encode(encoding))
    for block_bytes in (1, 3, 64, 1 << 20):
        batches = list(read_lines(path, encoding, block_bytes))
        assert (_rows(batches), _rejects(batches)) == (list(enumerate(texts, 1)), []), block_bytes


def test_what_a_stated_encoding_does_not_have_is_rejected_by_the_line(tmp_path: Path) -> None:
    batches = list(read_lines(_write(tmp_path, b"\xc4\nx\x81\nz"), "cp1252"))
    assert (_rows(batches), _rejects(batches)) == ([(1, "Ä"), (3, "z")], [(2, "invalid_utf8", None)])
    broken = "a\n".encode("utf-16-le") + b"\x01\xd8" + "\nb".encode("utf-16-le") + b"x"
    batches = list(read_lines(_write(tmp_path, broken)))
    assert [line for line, *_ in _rejects(batches)] == [2, 3]
    assert _rows(batches) == [(1, "a")]


def test_a_file_of_a_few_nul_bytes_is_not_utf_16(tmp_path: Path) -> None:
    batches = list(read_lines(_write(tmp_path, b"a\0b\0\0\nplain text follows here")))
    assert _rows(batches) == [(2, "plain text follows here")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("end", "whole"), [("\n", True), ("\r\n", True), ("\r", True), ("\n\n", True), ("", False)])
def test_whether_the_file_ends_in_a_line_end_is_told_with_its_last_lines(
    tmp_path: Path, encoding: str, end: str, whole: bool
) -> None:
    between = end or "\n"
    path = _write(tmp_path, (between.join(["alpha"] * 20) + end).encode(encoding))
    for block_bytes in (5, 1 << 20):
        batches = list(read_lines(path, encoding, block_bytes))
        assert batches[-1].ends_whole is whole, block_bytes
