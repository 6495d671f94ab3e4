"""What recent files of listens brought, and what is usual of their format and source."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from sqlalchemy import Connection, Row, text

from quality.load_verdicts import Verdicts

# Fewer rows say more about one person than about a file.
LEAST_ROWS = 50
LEAST_LISTENERS = 10
# Of the tracks of a file.
MOST_NAMELESS = 0.5
# Of a format, the files before that one is compared with.
EARLIER_FILES = 30
# Of what a usual day brings: a file of less may be as odd as it likes, one person's export for example. It is told.
LEAST_OF_A_DAY = 0.05
USUAL_DAYS = 28
# What has more is a history, not what a night brings; and counting it takes long.
_MOST_DAYS_IN_A_FILE = 28


@dataclass(frozen=True)
class Load:
    """A load of listens, as raw.ingest_files has it. is_recent: whether nobody has let it pass yet."""

    file_id: int
    path: str
    format: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_duplicate: int
    rows_left_out: int
    ends_whole: bool | None
    is_recent: bool

    @property
    def rejected_share(self) -> float:
        """Of the rows that no rule left out."""
        return self.rows_rejected / max(self.rows_read - self.rows_left_out, 1)

    @property
    def duplicate_share(self) -> float:
        """Of the rows that no rule left out."""
        return self.rows_duplicate / max(self.rows_read - self.rows_left_out, 1)


@dataclass(frozen=True)
class Top:
    """What most listens are of, an artist or a track by its key, and its share of the listens and of the listeners."""

    key: int
    of_listens: float
    of_listeners: float


@dataclass(frozen=True)
class Content:
    """What a file says.

    Attributes:
        source: of its listens.
        tops: `artist` and `track`; without one that no row names, and where fewer than LEAST_LISTENERS listened.
        unknown: among the listens of those whom earlier files name, the share whose track and artist no earlier file
            names; None for fewer than LEAST_ROWS.
        nameless: of its tracks, the share without title or artist.
        nameless_before: the middle one of the earlier files; 0 where the file's own is not above MOST_NAMELESS.
    """

    source: str
    tops: Mapping[str, Top]
    unknown: float | None
    nameless: float
    nameless_before: float = 0.0


@dataclass(frozen=True)
class Usual:
    """A usual day of a source. days: how many of the last USUAL_DAYS had LEAST_ROWS and LEAST_LISTENERS.

    listens: on the middle one of these. tops: of the middle ones, not of one thing.
    """

    days: int
    listens: float
    tops: Mapping[str, Top]


@dataclass(frozen=True)
class Loads:
    """The recent loads, and those before them; by source, what is usual. odd: the files that verdicts called odd."""

    loads: Sequence[Load]
    contents: Mapping[int, Content] = field(default_factory=dict)
    usual: Mapping[str, Usual] = field(default_factory=dict)
    odd: frozenset[int] = frozenset()

    @property
    def recent(self) -> list[Load]:
        """Those that are judged."""
        return [load for load in self.loads if load.is_recent and load.rows_read >= LEAST_ROWS]

    def before(self, load: Load) -> list[Load]:
        """Those of the format before it that have enough rows, the newest last."""
        same = (each for each in self.loads if each.format == load.format and each.file_id < load.file_id)
        return [each for each in same if each.rows_read >= LEAST_ROWS]

    def earlier(self, load: Load) -> list[Load]:
        """The last EARLIER_FILES before it that are not odd; small ones for a small one only.

        Where half of the last EARLIER_FILES are odd, what is usual has changed, and they count.
        """
        alike = [each for each in self.before(load) if self._is_small(load) or not self._is_small(each)]
        last = alike[-EARLIER_FILES:]
        if 2 * sum(each.file_id in self.odd for each in last) >= EARLIER_FILES:
            return last
        return [each for each in alike if each.file_id not in self.odd][-EARLIER_FILES:]

    def _is_small(self, load: Load) -> bool:
        return load.rows_read < LEAST_OF_A_DAY * self.usual_listens

    def nameless(self, load: Load) -> float:
        """Of the tracks of a file, the share without title or artist; 0 where its content is not known."""
        content = self.contents.get(load.file_id)
        return content.nameless if content else 0.0

    @property
    def usual_listens(self) -> float:
        """Of a usual day, all sources together; 0 where it is not known yet."""
        return sum(each.listens for each in self.usual.values())


def read_loads(connection: Connection, verdicts: Verdicts) -> Loads:
    """What was loaded, or retried, since files were let pass, and what is usual. Asks as the loader.

    Where none ever were, those of the week up to the last one are judged.
    """
    passed = verdicts.passed
    asked: dict[str, Any] = {"file_id": passed and passed.file_id, "at": passed and passed.at}
    if not connection.scalar(_ANY_RECENT, asked):
        return Loads([])
    days = {"days": USUAL_DAYS, "least_rows": LEAST_ROWS, "least_listeners": LEAST_LISTENERS}
    usual = _usual(connection, days)
    listens = sum(each.listens for each in usual.values())
    asked |= {"least": LEAST_ROWS, "small": LEAST_OF_A_DAY * listens, "odd": list(verdicts.odd)}
    rows = connection.execute(_LOADS, asked | {"earlier": EARLIER_FILES}).mappings()
    loads = [Load(**row) for row in rows]
    most = _MOST_DAYS_IN_A_FILE * listens
    told = [each.file_id for each in loads if each.is_recent and LEAST_ROWS <= each.rows_loaded <= most]
    found = Loads(loads, _contents(connection, told), usual, verdicts.odd)
    suspicious = [load for load in found.recent if found.nameless(load) > MOST_NAMELESS and found.earlier(load)]
    contents = dict(found.contents)
    for load in suspicious:
        before = nameless_shares(connection, [each.file_id for each in found.earlier(load)]).values()
        contents[load.file_id] = replace(contents[load.file_id], nameless_before=median(before) if before else 0.0)
    return replace(found, contents=contents)


def _usual(connection: Connection, asked: Mapping[str, int]) -> dict[str, Usual]:
    days: dict[str, dict[str, list[Row[Any]]]] = {}
    for kind in ("artist", "track"):
        for row in connection.execute(_TOPS_OF_DAYS[kind], asked):
            days.setdefault(row.source, {}).setdefault(kind, []).append(row)
    return {source: _usual_of(tops) for source, tops in days.items()}


def _usual_of(tops: Mapping[str, Sequence[Row[Any]]]) -> Usual:
    any_kind = max(tops.values(), key=len)
    middles = {
        kind: Top(-1, median(row.of_listens for row in rows), median(row.of_listeners for row in rows))
        for kind, rows in tops.items()
    }
    return Usual(len(any_kind), median(row.listens for row in any_kind), middles)


def _contents(connection: Connection, file_ids: Sequence[int]) -> dict[int, Content]:
    if not file_ids:
        return {}
    asked = {"files": list(file_ids), "least_rows": LEAST_ROWS, "least_listeners": LEAST_LISTENERS}
    tops: dict[int, dict[str, Top]] = {}
    for kind in ("artist", "track"):
        for row in connection.execute(_TOPS_OF_FILES[kind], asked):
            tops.setdefault(row.file_id, {})[kind] = Top(row.key, row.of_listens, row.of_listeners)
    nameless = nameless_shares(connection, file_ids)
    return {
        row.file_id: Content(row.source, tops.get(row.file_id, {}), row.unknown, nameless[row.file_id])
        for row in connection.execute(_UNKNOWN, asked)
    }


def nameless_shares(connection: Connection, file_ids: Iterable[int]) -> dict[int, float]:
    """Of the tracks that each file names, the share without title or artist."""
    rows = connection.execute(_NAMELESS, {"files": list(file_ids)})
    return {row.file_id: row.nameless for row in rows}


_KNOWN = """
    with known as (
        select
            *,
            case
                when cast(:file_id as int) is null
                then finished_at >= (select max(finished_at) from raw.ingest_files) - interval '7 days'
                else file_id > :file_id or coalesce(retried_at >= cast(:at as timestamptz), false)
            end as is_recent
        from raw.ingest_files where kind = 'listens'
    )
"""
_ANY_RECENT = text(f"{_KNOWN} select exists (select from known where is_recent)")
# Those that nothing is learned from do not take the places of others.
_LOADS = text(
    f"""
    {_KNOWN},
    numbered as (
        select *, row_number() over (
            partition by format, is_recent, rows_read < :small, file_id = any(cast(:odd as int[])) order by file_id desc
        ) as newest
        from known where is_recent or rows_read >= :least
    )
    select
        file_id, path, format, rows_read, rows_loaded, rows_rejected, rows_duplicate, rows_left_out, ends_whole,
        is_recent
    from numbered
    where is_recent or (newest <= :earlier and format in (select format from known where is_recent))
    order by file_id
    """
)


def _tops(kind: str, unit: str, listens: str) -> str:
    """SQL: of each unit, the artist or track that most listens are of, by what the file of the listen says."""
    return f"""
    with heard as (
        select {unit}, user_key, mentions.{kind}_key as key, count(*) as listens
        from {listens} as listens inner join raw.track_mentions as mentions using (file_id, track_key)
        group by {unit}, user_key, key
    ),
    whole as (
        select {unit}, sum(listens)::float as listens, count(distinct user_key)::float as listeners
        from heard group by {unit} having sum(listens) >= :least_rows and count(distinct user_key) >= :least_listeners
    ),
    of_each as (
        select {unit}, key, sum(listens)::float as listens, count(*)::float as listeners
        from heard where key is not null group by {unit}, key
    )
    select distinct on ({unit})
        {unit}, key, whole.listens, of_each.listens / whole.listens as of_listens,
        of_each.listeners / whole.listeners as of_listeners
    from whole inner join of_each using ({unit}) order by {unit}, of_each.listens desc, key
    """


_LAST_DAYS = """
    (
        select *, (listened_at at time zone 'UTC')::date as day from raw.listens
        where listened_at < (select max(listened_at) from raw.listens)
        and listened_at >= (select max(listened_at) from raw.listens) - make_interval(days => :days)
    )
"""
_OF_FILES = "(select * from raw.listens where file_id = any(:files))"
_TOPS_OF_DAYS = {kind: text(_tops(kind, "source, day", _LAST_DAYS)) for kind in ("artist", "track")}
_TOPS_OF_FILES = {kind: text(_tops(kind, "file_id", _OF_FILES)) for kind in ("artist", "track")}
# Artists and tracks whose first load is this one, in listens of users whose first load is an earlier one.
_UNKNOWN = text(
    f"""
    select
        listens.file_id, min(source) as source,
        case
            when count(*) filter (where users.file_id < listens.file_id) >= :least_rows
            then avg((tracks.file_id = listens.file_id and coalesce(artists.file_id = listens.file_id, false))::int)
                filter (where users.file_id < listens.file_id)
        end::float as unknown
    from {_OF_FILES} as listens
    inner join raw.users as users using (user_key)
    inner join raw.tracks as tracks using (track_key)
    inner join raw.track_mentions as mentions
        on mentions.file_id = listens.file_id and mentions.track_key = listens.track_key
    left join raw.artists as artists on artists.artist_key = mentions.artist_key
    group by listens.file_id
    """
)
_NAMELESS = text(
    "select file_id, avg((mentions.title is null or artist.name is null)::int)::float as nameless"
    " from raw.track_mentions as mentions"
    " left join raw.artist_mentions as artist using (file_id, artist_key)"
    " where file_id = any(:files) group by file_id"
)
