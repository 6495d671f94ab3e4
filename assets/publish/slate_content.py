"""The lists of a slate as a release holds them: of its own date, or of an older one where newer ones were refused."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.publish.content import SlateBatch
from assets.publish.fetching import list_offsets
from assets.release_gate.expected import expected_users
from serving_api.contract import NO_ANCHOR
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.frames import fetch_frame

_USERS_PER_BATCH = 5000


@dataclass(frozen=True)
class SlateLists:
    """The lists of a slate as of a date, and the date of the release that is to hold them."""

    slate: str
    as_of: date
    release: date

    @property
    def _made(self) -> str:
        return f"where as_of = {sql_date(self.as_of)} and slate = '{self.slate}'"

    def model_version(self, connection: dbapi.Connection) -> str:
        """What ordered the lists. Raises AudoticsError where there are none."""
        found = fetch_frame(connection, f"select model_version from ml.recommendation_batches {self._made}")
        if not len(found):
            raise AudoticsError(f"the lists of {self.slate} as of {self.as_of} are gone: release again")
        return str(found["model_version"].iloc[0])

    def expected(self, connection: dbapi.Connection) -> int:
        """How many users should be in the release: who should have a list, of older ones who had one then."""
        users = expected_users(self.slate, sql_date(self.as_of))
        if self.as_of != self.release:
            users = f"select user_key from ml.recommendations {self._made} and rank = 1"
        return int(fetch_frame(connection, f"select count(*) as users from ({users}) as expected")["users"].iloc[0])

    def batches(self, connection: dbapi.Connection, at: datetime) -> Iterator[SlateBatch]:
        """The lists without what their users have blocked up to an instant: since they were made, there may be more.

        Of older lists also without tracks and reasons that the release does not know any more.
        """
        last = -1
        while True:
            # Whole users only: the last one of a batch is found first, by the primary key. Every list has a first rank;
            # of distinct users PostgreSQL expects too few to stop early, and would read all lists that are left.
            members = fetch_frame(
                connection,
                f"select max(user_key) as last from (select user_key from ml.recommendations {self._made}"
                f" and rank = 1 and user_key > {last} order by user_key limit {_USERS_PER_BATCH}) as members",
            )["last"].iloc[0]
            if pd.isna(members):
                return
            rows = fetch_frame(connection, self._rows(last, int(members), at))
            offsets = list_offsets(rows["user_id"])
            yield SlateBatch(
                user_ids=rows["user_id"].iloc[offsets[:-1]].tolist(),
                offsets=offsets,
                track_keys=rows["track_key"].to_numpy(np.int32),
                scores=rows["score"].to_numpy(np.float32),
                anchor_keys=rows["anchor_track_key"].to_numpy(np.int32),
            )
            last = int(members)

    def _rows(self, after: int, last: int, at: datetime) -> str:
        """The query of the lists of the users after one and up to another."""
        known, anchor = "", f"coalesce(anchor_track_key, {NO_ANCHOR})"
        if self.as_of != self.release:
            heard = f"select from features.feat_track where as_of = {sql_date(self.release)} and track_key ="
            known = f" and exists ({heard} lists.track_key)"
            anchor = f"case when exists ({heard} lists.anchor_track_key) then anchor_track_key else {NO_ANCHOR} end"
        return (
            "with guests as materialized (select track_key, artist_key from core.dim_track_artists where position > 1)"
            f" select user_id, track_key, score, {anchor} as anchor_track_key from"
            f" (select user_key, rank, track_key, score, anchor_track_key from ml.recommendations {self._made}"
            f" and user_key > {after} and user_key <= {last})"
            " as lists inner join core.dim_users using (user_key) inner join core.dim_tracks using (track_key)"
            f" where not exists (select from core.dim_blocks as blocks where blocks.user_key = lists.user_key"
            f" and blocks.created_at <= timestamptz '{at.isoformat()}' and case blocks.item_kind"
            " when 'track' then blocks.item_key = lists.track_key else blocks.item_key = dim_tracks.artist_key"
            " or exists (select from guests where guests.track_key = lists.track_key"
            f" and guests.artist_key = blocks.item_key) end){known} order by user_key, rank"
        )
