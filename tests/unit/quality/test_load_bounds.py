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


BAD = replace(EARLIER[0], file_id=6, rows_rejected=500, rows_loaded=500, ends_whole=False)
BAD_FIGURES = {"rejected rows", "cut in its last row"}


def blocking(loads: Loads, file_id: int = FILE.file_id) -> set[str]:
    return {each.figure for each in judge_loads(loads) if each.blocks and each.load.file_id == file_id}


def as_bad(file_id: int, *, is_recent: bool = False) -> Load:
    return replace(BAD, file_id=file_id, path=f"{file_id}.csv", is_recent=is_recent)


def test_nothing_is_learned_from_files_that_verdicts_called_odd() -> None:
    earlier = [*EARLIER[:3], as_bad(6), as_bad(7)]
    assert blocking(Loads([*earlier, as_bad(9, is_recent=True)], {}, USUAL, frozenset({6, 7}))) == BAD_FIGURES


def test_nothing_is_learned_from_an_odd_file_of_the_same_night() -> None:
    odd = [as_bad(each, is_recent=True) for each in (6, 7, 8)]
    loads = Loads([*EARLIER, *odd, as_bad(9, is_recent=True)], {}, USUAL)
    assert [blocking(loads, each) for each in (6, 7, 8, 9)] == [BAD_FIGURES] * 4


def test_of_small_files_is_learned_for_small_ones_alone() -> None:
    small = [replace(as_bad(each), rows_read=60, rows_rejected=30, rows_loaded=30) for each in range(10, 20)]
    crowded = {"spotify": replace(USUAL["spotify"], listens=1_500.0)}
    assert blocking(Loads([*EARLIER, *small, as_bad(20, is_recent=True)], {}, crowded), 20) == BAD_FIGURES
    one_more = replace(small[0], file_id=20, is_recent=True)
    assert not [each for each in judge_loads(Loads([*EARLIER, *small, one_more], {}, crowded)) if each.odd]


@pytest.mark.parametrize(("odd", "blocks"), [(14, BAD_FIGURES), (15, set())])
def test_where_half_of_the_last_files_are_odd_what_is_usual_has_changed(odd: int, blocks: set[str]) -> None:
    earlier = [replace(EARLIER[0], file_id=each) for each in range(100, 130 - odd)]
    changed = [replace(as_bad(each), rows_rejected=450, rows_loaded=550) for each in range(130 - odd, 130)]
    next_one = replace(changed[0], file_id=200, is_recent=True)
    assert blocking(Loads([*earlier, *changed, next_one], {}, USUAL, frozenset(range(130 - odd, 130))), 200) == blocks


def test_names_are_missed_where_earlier_files_have_them() -> None:
    nameless = replace(CONTENT, nameless=0.9)
    assert verdict(found(content=nameless)["tracks without names"]) == (True, True)
    assert verdict(found(content=replace(nameless, nameless_before=0.8))["tracks without names"]) == (False, False)


def test_a_line_end_is_missed_where_all_earlier_files_have_one() -> None:
    cut = replace(FILE, ends_whole=False)
    assert verdict(found(cut)["cut in its last row"]) == (True, True)
    once = [replace(EARLIER[0], ends_whole=False), *EARLIER[1:]]
    assert verdict(found(cut, earlier=once)["cut in its last row"]) == (True, True)
    twice = [replace(each, ends_whole=False) for each in EARLIER[:2]]
    assert "cut in its last row" not in found(cut, earlier=[*twice, *EARLIER[2:]])
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


@pytest.mark.parametrize(("listens", "expected"), [(0.24, (False, False)), (0.3, (True, False)), (0.6, (True, True))])
def test_a_new_source_is_held_to_what_is_usual_of_the_largest_one(listens: float, expected: tuple[bool, bool]) -> None:
    new = replace(CONTENT, source="radio", tops={"track": Top(70, listens, 0.9)})
    usual = USUAL | {"deezer": Usual(28, 10.0, {"track": Top(-1, 0.9, 0.9)}), "radio": Usual(2, 900.0, {})}
    figures = {each.figure: each for each in judge_loads(Loads([FILE], {FILE.file_id: new}, usual))}
    assert verdict(figures["top track"]) == expected
    assert "are usual in 28 days of spotify" in figures["top track"].said
    # What it has not named before is new, as all of a new source is.
    assert "unknown tracks and artists" not in figures
