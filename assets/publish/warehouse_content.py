"""The content of a release, read from the warehouse in batches; and the record of releases kept there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB

from assets.blocks import settled_blocks
from assets.publish.content import ReleaseInput
from assets.publish.fetching import fetch_in_batches
from assets.publish.held import ListedRelease
from assets.publish.left_out import left_out
from assets.publish.plan import ReleaseCounts
from assets.publish.popular_content import country_popular, popular, trending, user_countries
from assets.publish.similar_content import artist_tracks, heard_artists, require_similar, similar_lists
from assets.publish.slate_content import SlateLists
from assets.publish.tag_content import tag_tracks
from assets.publish.track_content import heard_tracks
from assets.publish.verification import described_counts
from serving_api.contract import HeldSlate
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame

_NEVER = datetime.min.replace(tzinfo=UTC)


def release_content(
    connection: dbapi.Connection, as_of: date, held: Mapping[str, HeldSlate] = MappingProxyType({})
) -> ReleaseInput:
    """What a release as of a date holds: every list in ml.recommendations with its anchors, popular tracks, those of
    countries with the users who are to get them, and the catalogue that had been heard by then, which the anchors are
    of, with what in it is alike.

    All of it is of one instant, in a transaction that begins here, and without what was blocked by `generated_at`.
    held: the slates whose lists of the date were refused; those of an older date are in their place, or none.

    Raises:
        AudoticsError: no lists were made as of the date, or others had the lock of blocks for too long.
    """
    day = sql_date(as_of)
    generated_at, _ = settled_blocks(connection)
    with connection.cursor() as cursor:
        # A load that commits while the release is made must not come between the plan and what is then loaded.
        cursor.execute("set transaction isolation level repeatable read")
    made = fetch_frame(connection, f"select slate, made_at from ml.recommendation_batches where as_of = {day}")
    if not len(made):
        raise AudoticsError(f"no lists were made as of {as_of}: materialise `recommendations` first")
    require_similar(connection, as_of)
    dates = dict.fromkeys(made["slate"], as_of) | {slate: each.as_of for slate, each in held.items()}
    slates = {slate: SlateLists(slate, of, as_of) for slate, of in sorted(dates.items()) if of is not None}
    by_country = country_popular(connection, as_of)
    return ReleaseInput(
        as_of=as_of,
        generated_at=generated_at,
        lists_made_at=made["made_at"].max().to_pydatetime(),
        model_versions={slate: lists.model_version(connection) for slate, lists in slates.items()},
        batches=lambda slate: slates[slate].batches(connection, generated_at),
        tracks=lambda: heard_tracks(connection, as_of),
        artists=lambda: heard_artists(connection, as_of),
        other_ids=lambda item: _other_ids(connection, day, item),
        similar=lambda item: similar_lists(connection, as_of, item),
        artist_tracks=lambda: artist_tracks(connection, as_of),
        tag_tracks=lambda: tag_tracks(connection, as_of),
        popular=popular(connection, as_of),
        trending=trending(connection, as_of),
        country_popular=by_country,
        user_countries=lambda: user_countries(connection, as_of, by_country),
        expected_users={slate: lists.expected(connection) for slate, lists in slates.items()},
        held=held,
    )


def record_releases(
    connection: Connection, listed: Sequence[ListedRelease], published: Mapping[str, ReleaseCounts] | None = None
) -> None:
    """Make ml.releases say of each release what Redis says: live, previous, or neither (retired).

    published: what was verified to be in releases, by name; of others the counts stay that are on record, or are those
    of the description. Of one that cannot be read, the row that was written when it could be is kept. One that goes
    live again, as after a rollback or in a Redis that was lost, keeps the instant at which it first did.
    """
    verified = {release: asdict(counts) for release, counts in (published or {}).items()}
    connection.execute(text("update ml.releases set status = 'retired'"))
    for release in listed:
        if release.meta is None or release.published_at is None:
            connection.execute(_UPDATE_STATUS, {"release": release.release, "status": release.status})
            continue
        connection.execute(
            _UPSERT,
            {
                "release": release.release,
                "as_of": release.meta.as_of,
                "models": release.meta.models,
                "held": _held_json(release.meta.held),
                "counts": verified.get(release.release, described_counts(release.meta)),
                "published_at": release.published_at,
                "status": release.status,
                "verified": release.release in verified,
            },
        )


def note_lists(connection: Connection, release: str, made_at: datetime) -> None:
    """Note which lists a release on record was last found to hold, by when they were made.

    Lists that are made again without a change are the release that was published before: only this instant is new.
    """
    connection.execute(_NOTE_LISTS, {"release": release, "made_at": made_at})


def counts_on_record(connection: Connection, release: str) -> dict[str, Any] | None:
    """What was published in a release, by the names of ReleaseCounts, as ml.releases has it; None where it has not."""
    query = text("select counts from ml.releases where release = :release")
    counts: dict[str, Any] | None = connection.scalar(query, {"release": release})
    return counts


def read_releases(connection: Connection, listed: Sequence[ListedRelease]) -> list[dict[str, Any]]:
    """The releases on record and those that Redis holds, latest published first, as plain data.

    `unreadable` says why Redis' description of a release cannot be read, null where it can; a release like that which
    is not on record has null for what only its description says. When it was published is null if neither says it.
    `left_out` says what a release does not hold.
    """
    rows = connection.execute(
        text("select release, as_of, models, counts, published_at, status, held from ml.releases")
    ).mappings()
    faults = {each.release: each.fault for each in listed}
    releases = [{**row, "unreadable": faults.get(row["release"])} for row in rows]
    on_record = {each["release"] for each in releases}
    for each in listed:
        if each.release not in on_record:
            unknown = dict.fromkeys(("as_of", "models", "counts", "held"))
            known = {"release": each.release, "published_at": each.published_at, "status": each.status}
            releases.append({**known, **unknown, "unreadable": each.fault})
    releases.sort(key=lambda release: release["published_at"] or _NEVER, reverse=True)
    return [
        {
            **each,
            "as_of": each["as_of"] and each["as_of"].isoformat(),
            "published_at": each["published_at"] and each["published_at"].isoformat(timespec="seconds"),
            "left_out": _left_out(each) if each["models"] is not None else [],
        }
        for each in releases
    ]


def _held_json(held: Mapping[str, HeldSlate]) -> dict[str, Any] | None:
    """The slates whose newest lists were refused, as ml.releases has them; None without any."""
    return {
        slate: {"as_of": each.as_of and each.as_of.isoformat(), "because": each.because} for slate, each in held.items()
    } or None


def _left_out(release: Mapping[str, Any]) -> list[str]:
    held = {
        slate: HeldSlate(date.fromisoformat(each["as_of"]) if each["as_of"] else None, each["because"])
        for slate, each in (release["held"] or {}).items()
    }
    return left_out(release["models"], release["counts"], held)


def _other_ids(connection: dbapi.Connection, day: str, item: str) -> Iterator[list[tuple[str, int]]]:
    """The ids of tracks or artists that are one that had been heard by then, and of that one the key."""
    rows = fetch_in_batches(
        connection,
        # As joins: `not in` reads the whole set for each row once it is larger than the memory of a sort.
        f"with heard as materialized (select distinct {item}_key from core.dim_tracks"
        f" inner join features.feat_track using (track_key) where as_of = {day})"
        f" select {item}_id, canonical_{item}_key from core.dim_{item}s as others"
        f" where {item}_key <> canonical_{item}_key"
        f" and exists (select from heard where heard.{item}_key = others.canonical_{item}_key)"
        f" and not exists (select from heard where heard.{item}_key = others.{item}_key) order by {item}_key",
    )
    for batch in rows:
        yield [(public_id, key) for public_id, key in batch]


_UPDATE_STATUS = text("update ml.releases set status = :status where release = :release")
_NOTE_LISTS = text("update ml.releases set lists_made_at = :made_at where release = :release")
_UPSERT = text(
    "insert into ml.releases (release, as_of, models, counts, published_at, status, held)"
    " values (:release, :as_of, :models, :counts, :published_at, :status, :held)"
    " on conflict (release) do update set status = excluded.status,"
    " published_at = least(releases.published_at, excluded.published_at),"
    " counts = case when :verified then excluded.counts else releases.counts end"
).bindparams(
    *(sa.bindparam(name, type_=JSONB) for name in ("models", "counts")),
    sa.bindparam("held", type_=JSONB(none_as_null=True)),
)
