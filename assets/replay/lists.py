"""What users would have got on a date under a model: the same steps as a night, and no list is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd
from adbc_driver_postgresql import dbapi
from sqlalchemy import Connection

from assets.candidates.pool import Sources, SourcesConfig, fit_sources
from assets.candidates.registry import needed_facts
from assets.catalogue import read_catalogue
from assets.listens import USERS_PER_BATCH, Ints, read_listens
from assets.ranker.registry import Ordering, ordering_of_version, orderings
from assets.recommendations.lists import ListMaker
from assets.recommendations.store import models_of_lists, read_lists
from assets.slates import Slate
from warehouse.dates import sql_date
from warehouse.errors import AudoticsError
from warehouse.lake import Lake


@dataclass(frozen=True)
class Replayed:
    """Lists of a batch of users for one slate: user_key, track_key, rank (from 1), score, source; and what
    ml.recommendations holds for the same users and date: user_key, track_key, rank, score. Either may be empty.
    blocks: when each of the blocks was added that the lists hold to.
    """

    slate: Slate
    ordering: Ordering
    lists: pd.DataFrame
    made_then: pd.DataFrame
    blocks: Sequence[datetime] = ()

    @property
    def users(self) -> int:
        """How many users have a list."""
        return int(self.lists["user_key"].nunique())

    @property
    def users_with_other_lists(self) -> list[int]:
        """The users with another list than then: other tracks, in another order, or none at one of the times."""
        both = self.lists.merge(self.made_then, on=["user_key", "rank"], how="outer", suffixes=("", "_then"))
        # A comparison with a missing track is never equal.
        other = both.loc[both["track_key"] != both["track_key_then"], "user_key"].unique()
        return sorted(int(key) for key in other)


def models_to_replay(
    connection: Connection, lake: Lake, as_of: date, model_version: str | None = None
) -> dict[Slate, Ordering]:
    """What ordered the lists of a date, else what would as of it; or one model, for its slate alone.

    Raises:
        AudoticsError: there is no such model, or a champion cannot serve.
    """
    if model_version is not None:
        return ordering_of_version(connection, lake, model_version)
    made = models_of_lists(connection, as_of)
    then = {slate: ordering_of_version(connection, lake, version)[slate] for slate, version in made.items()}
    return then or orderings(connection, lake, as_of)


def _untold(stage: str, done: int, total: int) -> None:
    """For a replay that nobody watches."""


def replay(
    connection: dbapi.Connection,
    as_of: date,
    models: Mapping[Slate, Ordering],
    user_keys: Ints | None,
    tell: Callable[[str, int, int], None] = _untold,
    whole_batches: bool = True,
) -> Iterator[Replayed]:
    """Lists as of a date by batch of users and slate: of these users, or of everyone who had listened before the date
    or has a list of it.

    Needs the features as of the date. Blocks and titles are today's. tell: is told each stage as it begins, and in the
    last how many users are done, of how many. whole_batches: whether candidates are made for all users of the batches
    of a night, so that lists are the same to the last bit; else for those asked for alone, at the cost of these.

    Raises:
        AudoticsError: there are no listens before the date or no features as of it.
    """
    sources = _sources(connection, as_of, tell)
    blocks = _blocks(connection)
    maker = ListMaker.of_date(connection, as_of, models)
    everyone = sources.history.users.astype(np.int32)
    if user_keys is not None and not whole_batches:
        everyone = np.intersect1d(everyone, user_keys).astype(np.int32)
    # In the batches of a night: products of other shapes may differ in their last bits.
    for start in range(0, len(everyone), USERS_PER_BATCH):
        tell("making the lists", start, len(everyone))
        batch = everyone[start : start + USERS_PER_BATCH]
        asked = batch if user_keys is None else np.intersect1d(batch, user_keys).astype(np.int32)
        if not len(asked):
            continue
        pools = {
            slate: pool[pool["user_key"].isin(asked)].reset_index(drop=True)
            for slate, pool in sources.candidates_by_slate(batch, list(models)).items()
        }
        for slate, lists in maker.lists(pools, reasons=False):
            yield Replayed(slate, models[slate], lists, read_lists(connection, as_of, slate, asked), blocks)
    for slate, model in models.items():
        gone = np.setdiff1d(_users_with_lists(connection, as_of, slate), everyone)
        gone = gone if user_keys is None else np.intersect1d(gone, user_keys)
        if len(gone):
            nothing = pd.DataFrame({"user_key": gone[:0], "track_key": gone[:0], "rank": gone[:0]})
            yield Replayed(slate, model, nothing, read_lists(connection, as_of, slate, gone.astype(np.int32)), blocks)


def _sources(connection: dbapi.Connection, as_of: date, tell: Callable[[str, int, int], None]) -> Sources:
    tell("reading the listens", 0, 0)
    listens = read_listens(connection, as_of)
    if not len(listens):
        raise AudoticsError(f"no listens before {as_of}: ingest older ones or choose a later --as-of")
    tell(f"fitting the candidate sources on {len(listens):,} listens", 0, 0)
    config = SourcesConfig()
    return fit_sources(listens, as_of, config, read_catalogue(connection, needed_facts(config.sizes)))


def _blocks(connection: dbapi.Connection) -> list[datetime]:
    """When each of the blocks that there are was added."""
    with connection.cursor() as cursor:
        cursor.execute("select created_at from raw.blocks")
        created: list[datetime] = cursor.fetch_arrow_table()["created_at"].to_pylist()
    return created


def _users_with_lists(connection: dbapi.Connection, as_of: date, slate: Slate) -> Ints:
    with connection.cursor() as cursor:
        of_slate = f"as_of = {sql_date(as_of)} and slate = '{slate}'"
        cursor.execute(f"select user_key from ml.recommendations where {of_slate} and rank = 1")
        users: Ints = cursor.fetch_arrow_table()["user_key"].to_numpy()
    return users
