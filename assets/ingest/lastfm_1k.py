"""The Last.fm 1K data set: tab-separated listens without header or quotes, and a table of user profiles.

Layout: Òscar Celma, Music Recommendation and Discovery in the Long Tail (2010), data set `lastfm-dataset-1K`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from assets.ingest.delimited import Layout, read_delimited
from assets.ingest.duck import connect_offline
from assets.ingest.files import InputFile
from assets.ingest.listing import Listing
from assets.ingest.records import PROFILE_SCHEMA, ParseRules, RawBatch, TimeRule
from warehouse.errors import AudoticsError

LISTENS_NAME = "userid-timestamp-artid-artname-traid-traname.tsv"
PROFILE_NAME = "userid-profile.tsv"
# Either may be compressed.
LISTENS_NAMES = (LISTENS_NAME, f"{LISTENS_NAME}.gz")
PROFILE_NAMES = (PROFILE_NAME, f"{PROFILE_NAME}.gz")
_COLUMNS = ("user_id", "listened_at", "artist_mbid", "artist_name", "recording_mbid", "title")
_PROFILE_COLUMNS = {
    "user_id": "#id",
    "gender": "gender",
    "age": "age",
    "country": "country",
    "registered_on": "registered",
}
_PROFILES = """
SELECT DISTINCT ON (user_id)
    user_id,
    nullif(trim(gender), '') AS gender,
    CASE WHEN regexp_full_match(age, '[0-9]{1,3}') THEN try_cast(age AS SMALLINT) END AS age,
    nullif(trim(country), '') AS country,
    CAST(try_strptime(registered, '%b %d, %Y') AS DATE) AS registered_on
FROM (
    SELECT trim(user_id) AS user_id, gender, trim(age) AS age, country, trim(registered_on) AS registered, line
    FROM profiles
)
WHERE user_id <> '' AND NOT contains(concat(user_id, gender, country), chr(0))
ORDER BY user_id, line
"""


@dataclass(frozen=True)
class LastFm1k:
    """The Last.fm 1K reader. Every listen must name its artist and its track."""

    @property
    def format(self) -> str:
        """The name in raw.ingest_files."""
        return "lastfm-1k"

    @property
    def rules(self) -> ParseRules:
        """UTC times such as 2009-05-04T23:08:57Z; MusicBrainz ids or none."""
        return ParseRules(source="lastfm-1k", time=TimeRule(("iso8601",)), names_required=True)

    def told_user(self, file: InputFile) -> None:
        """Every row names its user."""

    @property
    def assumed_user(self) -> None:
        """A row that names nobody is rejected."""

    def for_file(self, file: InputFile) -> "LastFm1k":
        """All of its files are alike."""
        return self

    def find(self, listing: Listing) -> list[InputFile]:
        """Return the files that were given themselves; else the file of listens in a folder or an archive.

        In an archive it may lie in a folder.

        Raises:
            AudoticsError: there is none.
        """
        if named := [file for file in listing.files if file.is_named]:
            return named
        found = [file for file in listing.files if file.in_archive or "/" not in file.relative]
        for name in LISTENS_NAMES:
            if listens := [file for file in found if file.name == name]:
                return listens
        raise AudoticsError(
            f"{listing.given} has no {LISTENS_NAME} (or .gz); give the folder that holds it, or the file of listens"
        )

    def read(self, file: InputFile) -> Iterator[RawBatch]:
        """Yield the listens in batches, as records.Source says."""
        layout = Layout(delimiter="\t", quoted=False, header=_COLUMNS)
        return read_delimited(file, layout, {column: column for column in _COLUMNS})

    def profiles(self, file: InputFile) -> pa.Table | None:
        """Return the profiles that lie in the folder of a file named as the data set names it, else None.

        Values that cannot be understood are null; the first row of a user counts.

        Raises:
            AudoticsError: the profile file lacks one of the data set's columns.
        """
        if not file.name.startswith(LISTENS_NAME):
            return None
        for name in PROFILE_NAMES:
            if profile := file.beside(name):
                return _read_profiles(profile)
        return None


def _read_profiles(file: InputFile) -> pa.Table:
    layout = Layout(delimiter="\t", quoted=False)
    rows = pa.concat_tables(batch.rows for batch in read_delimited(file, layout, _PROFILE_COLUMNS))
    connection = connect_offline()
    connection.register("profiles", rows)
    return connection.sql(_PROFILES).to_arrow_table().cast(PROFILE_SCHEMA)
