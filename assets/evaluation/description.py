"""What is shown beside the metrics of an evaluation: what the lists are like, and for whom they are good."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd
from adbc_driver_postgresql import dbapi

from assets.catalogue import read_countries, read_track_artists
from assets.listens import Listens
from assets.metrics.heard import heard_before
from assets.metrics.lists import list_figures
from assets.metrics.protocol import SlateEvaluation
from assets.metrics.segments import measured_segments


@dataclass(frozen=True)
class Description:
    """lists: model -> figure -> value (`list_figures`). segments: as `measured_segments` gives them."""

    lists: dict[str, dict[str, float | None]]
    segments: list[dict[str, Any]]


class Describer:
    """Describes the lists of any slate as of one date, by what had been heard before it.

    Artists and countries are those that the catalogue and the profiles name today.
    """

    def __init__(self, connection: dbapi.Connection, before: Listens, as_of: date) -> None:
        self._connection = connection
        self._as_of = as_of
        self._heard = heard_before(before)
        self._track_artist = read_track_artists(connection)

    def describe(
        self, evaluation: SlateEvaluation, lists: Mapping[str, pd.DataFrame], relevant: pd.DataFrame, subject: str
    ) -> Description:
        """The lists of every model; and the segments of `subject` and of the best of the others."""
        users = evaluation.users
        country = read_countries(self._connection, users)
        return Description(
            {model: list_figures(each, users, self._heard, self._track_artist) for model, each in lists.items()},
            measured_segments(evaluation, lists, relevant, self._heard, country, self._as_of, subject),
        )
