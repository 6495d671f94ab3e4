"""What is wrong with a file whose rows may each be true: figures of what it brought, and what they may be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from quality.loads import LEAST_OF_A_DAY, MOST_NAMELESS, USUAL_DAYS, Content, Load, Loads, Top

# Where most of a file is refused, its format is not what it is read as, whatever the files before it were.
MOST_REJECTED = 0.5
# What a file may be is what nine of ten were, whatever the others were; of up to ten, all but one.
_USUAL_FILES = 0.9
# Held against the files before it: three times what most of them had, and so much that it is not a few bad rows.
TIMES_EARLIER = 3.0
REJECTED_IS_TOLD, REJECTED_BLOCKS = 0.05, 0.2
# Fewer files do not show what is usual of a format.
LEAST_FILES = 3
# Nearly all of it was there already: a file of another day under a new name. Formats that repeat their history do that
# every night.
MOST_DUPLICATE, USUAL_DUPLICATE = 0.9, 0.5
# Half of all listens, by half of the listeners: no release of any artist has had that on a service with many artists.
MOST_OF_ONE, TOLD_OF_ONE = 0.5, 0.25
# Where most is of one thing anyway, all of it may be.
_MOSTLY_ONE = 0.75
# Listeners of weeks do not turn to artists nobody had heard before, all in a night.
MOST_UNKNOWN, TOLD_UNKNOWN = 0.5, 0.25
# With fewer days of history, much is new that is not odd.
LEAST_DAYS = 21
# Of earlier files: formats that go by ids have no names at all.
USUAL_NAMELESS = 0.1


@dataclass(frozen=True)
class LoadFigure:
    """A figure of a file, and the bounds of what it may be.

    Attributes:
        load: the file.
        figure: what was measured, a share of 0 to 1.
        told, most: above `told` it is odd, above `most` it blocks; equal where there is nothing between.
        learned: whether the bounds come from earlier files or days.
        said: what it means, in words that follow the file's name.
        rows: a query for the rows behind it.
        shown: the query that is run in its place, where those rows say more than may be kept with a verdict.
    """

    load: Load
    figure: str
    value: float
    told: float
    most: float
    learned: bool
    said: str
    rows: str
    matters: bool = True
    shown: str | None = None

    @property
    def odd(self) -> bool:
        return self.value > self.told

    @property
    def blocks(self) -> bool:
        return self.matters and self.value > self.most


def judge_loads(loads: Loads) -> list[LoadFigure]:
    """The figures of the recent files, in the order of loading; where too little is known to judge, there is none.

    What cannot matter, because a usual day has many times more rows or is not known yet, is told and does not block.
    """
    figures: list[LoadFigure] = []
    for load in loads.recent:
        found = [figure for judge in _JUDGES for figure in judge(loads, load)]
        is_odd = any(each.odd for each in found)
        # The next one is not compared with it.
        loads = replace(loads, odd=loads.odd | {load.file_id} if is_odd else loads.odd - {load.file_id})
        figures += found
    return figures


def _matters(loads: Loads, rows: int) -> bool:
    return rows >= LEAST_OF_A_DAY * loads.usual_listens > 0


def _of_most(shares: Sequence[float]) -> float:
    """What the share of most files is at most: one file alone never tells."""
    return sorted(shares)[int(_USUAL_FILES * (len(shares) - 1))]


def _rejected(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    earlier = [each.rejected_share for each in loads.earlier(load)]
    learned = len(earlier) >= LEAST_FILES
    of_most = _of_most(earlier) if learned else 0.0
    usual = TIMES_EARLIER * of_most if learned else MOST_REJECTED
    yield LoadFigure(
        load,
        "rejected rows",
        load.rejected_share,
        told=min(max(usual, REJECTED_IS_TOLD), MOST_REJECTED),
        most=min(max(usual, REJECTED_BLOCKS), MOST_REJECTED),
        learned=learned,
        said=f"{load.rows_rejected:,} of its {load.rows_read:,} rows are refused"
        + (f", where of most earlier files at most {of_most:.1%} were" if learned else ""),
        rows=f"select line, reason, fields from raw.rejected_listens where file_id = {load.file_id} order by line",
        matters=_matters(loads, load.rows_rejected),
        # What a refused row says is kept for AUDOTICS_REJECTS_DAYS, and is gone when its load is undone.
        shown="select line, reason, array(select jsonb_object_keys(fields) order by 1) as names_of_fields"
        f" from raw.rejected_listens where file_id = {load.file_id} order by line",
    )


def _duplicates(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    earlier = [each.duplicate_share for each in loads.earlier(load)]
    if len(earlier) >= LEAST_FILES and median(earlier) <= USUAL_DUPLICATE:
        yield LoadFigure(
            load,
            "rows that were there",
            load.duplicate_share,
            told=MOST_DUPLICATE,
            # Nothing of it comes twice. What should have come is missed by the day.
            most=1.0,
            learned=True,
            said=f"{load.rows_duplicate:,} of its {load.rows_read:,} rows are in an earlier file: it may be a file of"
            " another day under a new name",
            rows="select listened_at, user_key, track_key, source from raw.duplicate_listens"
            f" where file_id = {load.file_id} order by listened_at",
        )


def _cut(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    earlier = [each.ends_whole for each in loads.earlier(load) if each.ends_whole is not None]
    whole = sum(earlier) >= LEAST_FILES and _of_most([float(not each) for each in earlier]) == 0
    if load.ends_whole is not None and whole:
        yield LoadFigure(
            load,
            "cut in its last row",
            float(not load.ends_whole),
            told=0.0,
            most=0.0,
            learned=True,
            said="its last line has no line end, which earlier files have: it was cut, and the last title may be"
            " half of one",
            rows="select tracks.line, title, name from raw.track_mentions as tracks"
            " left join raw.artist_mentions as artists using (file_id, artist_key)"
            f" where file_id = {load.file_id} order by tracks.line desc",
            matters=_matters(loads, load.rows_read),
        )


def _tops(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    content = loads.contents.get(load.file_id)
    known = _known_best(loads, content) if content else None
    if content is None or known is None:
        return
    usual, of_other = loads.usual[known], "" if known == content.source else f" of {known}"
    for kind, top in content.tops.items():
        middle = usual.tops.get(kind, Top(-1, 0.0, 0.0))
        yield LoadFigure(
            load,
            f"top {kind}",
            top.of_listens,
            told=_most_of_one(TOLD_OF_ONE, top, middle),
            most=_most_of_one(MOST_OF_ONE, top, middle),
            learned=True,
            said=f"{top.of_listens:.0%} of its listens, by {top.of_listeners:.0%} of its listeners, are of one {kind},"
            f" where {middle.of_listens:.1%} by {middle.of_listeners:.1%} are usual in {USUAL_DAYS} days{of_other}",
            rows=f"select line, track_id, title, {kind}_key from raw.track_mentions inner join"
            f" (select track_key, track_id from raw.tracks) as tracks using (track_key)"
            f" where file_id = {load.file_id} and {kind}_key = {top.key} order by line",
            matters=_matters(loads, load.rows_loaded),
        )


def _most_of_one(least: float, top: Top, usual: Top) -> float:
    """How much of a file may be of one thing; all of it where few listeners hear it: one account is not everybody."""
    if top.of_listeners <= least or usual.of_listens > _MOSTLY_ONE:
        return 1.0
    return max(least, min(TIMES_EARLIER * usual.of_listens, (1 + usual.of_listens) / 2))


def _unknown(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    content = loads.contents.get(load.file_id)
    if content is None or content.unknown is None or not loads.before(load) or not _has_history(loads, content):
        return
    yield LoadFigure(
        load,
        "unknown tracks and artists",
        content.unknown,
        told=TOLD_UNKNOWN,
        most=MOST_UNKNOWN,
        learned=False,
        said=f"{content.unknown:.0%} of what known listeners hear in it are tracks and artists that no earlier file"
        " names: columns may be swapped",
        rows="select mentions.line, mentions.title, artists.name from raw.track_mentions as mentions"
        " inner join raw.tracks using (track_key, file_id) inner join raw.artists as artists"
        " on artists.artist_key = mentions.artist_key and artists.file_id = mentions.file_id"
        f" where mentions.file_id = {load.file_id} order by mentions.line",
        matters=_matters(loads, load.rows_loaded),
    )


def _nameless(loads: Loads, load: Load) -> Iterator[LoadFigure]:
    content = loads.contents.get(load.file_id)
    if content is None or not loads.earlier(load):
        return
    most = 1.0 if content.nameless_before > USUAL_NAMELESS else MOST_NAMELESS
    yield LoadFigure(
        load,
        "tracks without names",
        content.nameless,
        told=most,
        most=most,
        learned=True,
        said=f"{content.nameless:.0%} of its tracks have no title or no artist, where {content.nameless_before:.1%} in"
        " earlier files of the format have none",
        rows="select mentions.line, source_id, title, artist_key from raw.track_mentions as mentions"
        f" where file_id = {load.file_id} and (title is null or artist_key is null) order by line",
        matters=_matters(loads, load.rows_loaded),
    )


def _known_best(loads: Loads, content: Content) -> str | None:
    """The source that says what is usual: the file's own or, while that is new, the one with most listens a day."""
    known = {source: usual.listens for source, usual in loads.usual.items() if usual.days >= LEAST_DAYS}
    return content.source if content.source in known else max(known, key=known.__getitem__, default=None)


def _has_history(loads: Loads, content: Content) -> bool:
    usual = loads.usual.get(content.source)
    return usual is not None and usual.days >= LEAST_DAYS


_JUDGES: tuple[Callable[[Loads, Load], Iterator[LoadFigure]], ...] = (
    _rejected,
    _duplicates,
    _cut,
    _tops,
    _unknown,
    _nameless,
)
