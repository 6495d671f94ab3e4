"""How good lists are that follow from the first artists, tracks or tags of people who are new, beside what is popular.

People whose first listen came after the date of the live release are held out: nothing of theirs is in it. Of each
the first three artists, tracks or tags are the seeds, and relevant is what they heard in the 14 days after the third of
these began, except what they had heard by then. The read API's own store makes the lists. With a home that has the
history:

    audotics run --as-of 2014-11-01
    python -m benchmarks.from_seeds --days 60
    python -m benchmarks.from_seeds --days 60 --seeds tracks     where the history names no artists
    python -m benchmarks.from_seeds --days 60 --seeds tags       where tags were loaded; of each track its first one
"""

import argparse
import asyncio
from typing import Any

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.metrics.protocol import HEADLINE, per_user_metrics
from assets.slates import HORIZON_DAYS, LIST_LENGTH
from benchmarks.compared import tell_beside_popular
from orchestration.platform import open_platform
from serving_api.pages import Window
from serving_api.seed_lists import SeedsAsked
from serving_api.store import ReleaseStore
from warehouse.engine import adbc_connect
from warehouse.frames import fetch_frame

Shown = dict[str, dict[Any, list[str]]]
"""By kind of list and user key the ids of tracks, best first."""

SEEDS = 3
SEED = 7
# What stands for a seed in core.dim_tracks; of tags the first one of a track.
SEED_IDS = {
    "artist": "dim_tracks.artist_id",
    "track": "dim_tracks.track_id",
    "tag": "(select tag from core.dim_track_tags as tags where tags.track_key = heard.track_key and position = 1)",
}
# What new people listened to, and when each of them first heard each artist, track or tag.
NEWCOMERS = """
    with listens as (
        select heard.user_key, track_key, {seed_id} as seed_id, heard.listened_at
        from core.fct_listens as heard inner join core.dim_tracks using (track_key)
        where heard.user_key in (
            select user_key from core.fct_listens group by user_key
            having min(listened_at) >= date '{as_of}' and min(listened_at) < date '{as_of}' + {days}
        )
    ),
    firsts as (
        select user_key, seed_id, min(listened_at) as first_at from listens
        where seed_id is not null group by user_key, seed_id
    ),
    seeds as (
        select user_key, seed_id, first_at,
            row_number() over (partition by user_key order by first_at, seed_id) as place
        from firsts
    )
"""


def newcomers(connection: dbapi.Connection, as_of: str, days: int, seed: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Seeds (user_key, seed_id) and relevant tracks (user_key, track_key, track_id) of people who are new."""
    query = NEWCOMERS.format(as_of=as_of, days=days, seed_id=SEED_IDS[seed])
    seeds = fetch_frame(connection, f"{query} select user_key, seed_id from seeds where place <= {SEEDS}")
    relevant = fetch_frame(
        connection,
        f"{query}, chosen as (select user_key, first_at as at from seeds where place = {SEEDS})"
        " select distinct listens.user_key, listens.track_key from listens inner join chosen using (user_key)"
        f" where listened_at > at and listened_at <= at + interval '{HORIZON_DAYS} days' and not exists ("
        " select from listens as before where before.user_key = listens.user_key"
        " and before.track_key = listens.track_key and before.listened_at <= at)",
    )
    return seeds[seeds["user_key"].isin(relevant["user_key"])], relevant


async def lists(store: ReleaseStore, seeds: pd.DataFrame, seed: str) -> Shown:
    """The ids of the tracks that each person is shown, from seeds and from what is popular."""
    window = Window(LIST_LENGTH)
    release = await store.live()
    popular = [item.public_id for item in release.popular.page(window).items]
    shown: Shown = {"from seeds": {}, "popular": {}}
    for user, chosen in seeds.groupby("user_key")["seed_id"].agg(list).items():
        artists, tracks, tags = (chosen if seed == kind else () for kind in ("artist", "track", "tag"))
        found = await store.from_seeds(SeedsAsked(artists, tracks, tags, window))
        listed = [item.public_id for item in found.page.items]
        # Who has nothing similar to their seeds is shown what is popular, as the API does.
        shown["from seeds"][user] = listed or popular
        shown["popular"][user] = popular
    return shown


def main() -> None:
    """One line for each kind of list, and the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=60, help="How long after the release somebody counts as new.")
    parser.add_argument("--seeds", choices=("artists", "tracks", "tags"), default="artists")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    seed = chosen.seeds.removesuffix("s")
    platform = open_platform()

    async def read() -> tuple[str, Shown, pd.DataFrame, pd.DataFrame]:
        store = ReleaseStore(platform.redis_url)
        release = await store.live()
        with adbc_connect(platform.warehouse_url) as connection:
            seeds, relevant = newcomers(connection, str(release.meta.as_of), chosen.days, seed)
            tracks = fetch_frame(connection, "select track_id, track_key from core.dim_tracks")
        shown = await lists(store, seeds, seed)
        await store.close()
        return release.name, shown, relevant, tracks

    release, shown, relevant, tracks = asyncio.run(read())
    keys = dict(zip(tracks["track_id"], tracks["track_key"], strict=True))
    values = {}
    for name, of_users in shown.items():
        rows = [(user, rank, keys[each]) for user, ids in of_users.items() for rank, each in enumerate(ids, 1)]
        listed = pd.DataFrame(rows, columns=["user_key", "rank", "track_key"]).astype(np.int32)
        values[name] = per_user_metrics(listed, relevant)[1][HEADLINE]
    if not len(relevant):
        parser.error(f"nobody new in the {chosen.days} days after {release} had {SEEDS} {chosen.seeds} and went on")
    people = len(relevant["user_key"].unique())
    told = {"release": release, "people": people}
    title = f"{people:,} people new in the {chosen.days} days after {release}, {HEADLINE}"
    tell_beside_popular("from seeds", values, told, title, SEED, as_json=chosen.json)


if __name__ == "__main__":
    main()
