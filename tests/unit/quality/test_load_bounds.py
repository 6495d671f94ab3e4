"""From where on a file is odd, and from where on it stops the night."""

from dataclasses import replace

import pytest

from quality.load_faults import LoadFigure, judge_loads
from quality.loads import Content, Load, Loads, Top, Usual

EARLIER = [
    Load(number, f"{number}.csv", "csv", 1_000, 990, 10, 0, 0, ends_whole=True, is_recent=False)
    for number in range(1, 6)
]
FILE = Load(9, "9.csv", "csv", 1_000, 990, 10, 0, 0, ends_whole=True, is_recent=True)
CONTENT = Content("spotify", {"artist": Top(7, 0.08, 0.2), "track": Top(70, 0.01, 0.05)}, unknown=0.02, nameless=0.0)
USUAL = {"spotify": Usual(28, 1_000.0, {"artist": Top(-1, 0.08, 0.2), "track": Top(-1, 0.01, 0.05)})}


def found(file: Load = FILE, content: Content = CONTENT, earlier: list[Load] = EARLIER) -> dict[str, LoadFigure]:
    loads = Loads([*earlier, file], {file.file_id: content}, USUAL)
    return {each.figure: each for each in judge_loads(loads)}


def verdict(figure: LoadFigure) -> tuple[bool, bool]:
    return figure.odd, figure.blocks


def rejecting(rows: int) -> Load:
    return replace(FILE, rows_rejected=rows, rows_loaded=FILE.rows_read - rows)


def test_a_usual_file_is_not_odd() -> None:
    assert set(found()) >= {"rejected rows", "rows that were there", "cut in its last row", "top artist", "top track"}
    assert not [each for each in found().values() if each.odd or each.blocks]


@pytest.mark.parametrize(
    ("rows", "expected"), [(50, (False, False)), (60, (True, False)), (200, (True, False)), (210, (True, True))]
)
def test_rejected_rows_against_earlier_files(rows: int, expected: tuple[bool, bool]) -> None:
    assert verdict(found(rejecting(rows))["rejected rows"]) == expected


@pytest.mark.parametrize(("rows", "expected"), [(300, (False, False)), (500, (False, False)), (510, (True, True))])
def test_half_is_too_much_whatever_earlier_files_had(rows: int, expected: tuple[bool, bool]) -> None:
    often = [replace(each, rows_rejected=400, rows_loaded=600) for each in EARLIER]
    assert verdict(found(rejecting(rows), earlier=often)["rejected rows"]) == expected
    assert verdict(found(rejecting(rows), earlier=[])["rejected rows"]) == expected


@pytest.mark.parametrize(
    ("listens", "listeners", "expected"),
    [
        (0.24, 0.9, (False, False)),
        (0.3, 0.9, (True, False)),
        (0.6, 0.9, (True, True)),
        # A bot: most of the listens, hardly any of the listeners.
        (0.9, 0.05, (False, False)),
    ],
)
def test_one_artist_of_all_by_all(listens: float, listeners: float, expected: tuple[bool, bool]) -> None:
    content = replace(CONTENT, tops={"artist": Top(7, listens, listeners)})
    assert verdict(found(content=content)["top artist"]) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.25, (False, False)), (0.3, (True, False)), (0.6, (True, True))])
def test_what_known_listeners_hear_that_nobody_had_named(share: float, expected: tuple[bool, bool]) -> None:
    assert verdict(found(content=replace(CONTENT, unknown=share))["unknown tracks and artists"]) == expected


def test_names_are_missed_where_earlier_files_have_them() -> None:
    nameless = replace(CONTENT, nameless=0.9)
    assert verdict(found(content=nameless)["tracks without names"]) == (True, True)
    assert verdict(found(content=replace(nameless, nameless_before=0.8))["tracks without names"]) == (False, False)


def test_a_line_end_is_missed_where_all_earlier_files_have_one() -> None:
    cut = replace(FILE, ends_whole=False)
    assert verdict(found(cut)["cut in its last row"]) == (True, True)
    once = [replace(EARLIER[0], ends_whole=False), *EARLIER[1:]]
    assert "cut in its last row" not in found(cut, earlier=once)
    assert "cut in its last row" not in found(cut, earlier=EARLIER[:2])
    assert "cut in its last row" not in found(replace(FILE, ends_whole=None))


def test_rows_that_were_there_are_told_and_stop_nothing() -> None:
    again = replace(FILE, rows_loaded=0, rows_duplicate=990)
    assert verdict(found(again)["rows that were there"]) == (True, False)
    whole_history = [replace(each, rows_loaded=100, rows_duplicate=890) for each in EARLIER]
    assert "rows that were there" not in found(again, earlier=whole_history)


def test_what_is_small_beside_a_usual_day_stops_nothing() -> None:
    small = replace(rejecting(900), rows_read=1_000)
    crowded = {"spotify": replace(USUAL["spotify"], listens=20_000.0)}
    for usual in (crowded, {}):
        loads = Loads([*EARLIER, small], {}, usual)
        (rejected,) = (each for each in judge_loads(loads) if each.figure == "rejected rows")
        assert verdict(rejected) == (True, False)


def test_fewer_days_of_history_say_nothing_of_artists_and_what_is_new() -> None:
    young = {"spotify": replace(USUAL["spotify"], days=20)}
    odd = replace(CONTENT, tops={"artist": Top(7, 1.0, 1.0)}, unknown=1.0)
    figures = {each.figure for each in judge_loads(Loads([*EARLIER, FILE], {9: odd}, young))}
    assert not figures & {"top artist", "unknown tracks and artists"}
