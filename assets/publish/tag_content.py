"""The tracks of tags, for whoever names tags that they like, read from the warehouse in batches."""

from collections.abc import Iterator
from datetime import date

import numpy as np
from adbc_driver_postgresql import dbapi

from assets.public import LEAST_LISTENERS
from assets.publish.content import TagBatch
from assets.publish.fetching import fetch_in_batches
from assets.publish.popular_content import LEAST_TRACKS
from serving_api.contract import LONGEST_TAG
from warehouse.dates import sql_date

TAG_TRACKS = 100
# More than anybody is shown while they register; what people tag freely goes on without end.
MOST_TAGS = 1_000
# Rows are tags with their whole lists here.
_TAGS_PER_BATCH = 200


def tag_tracks(connection: dbapi.Connection, as_of: date, least_tracks: int = LEAST_TRACKS) -> Iterator[TagBatch]:
    """The tracks of each tag as of the date, at most TAG_TRACKS of them: as popular tracks are ranked.

    Of those that LEAST_LISTENERS people had heard by then; their score is the number of listeners in the last 30 days,
    0 where these are fewer. A tag that can be asked for has a list where at least `least_tracks` tracks can be in it;
    of more than MOST_TAGS tags, those have one whose lists have most listeners, each counted for each track. The tags
    are those of now.
    """
    rows = fetch_in_batches(
        connection,
        "with tagged as (select tag, track_key, listeners,"
        f" case when listeners_30d >= {LEAST_LISTENERS} then listeners_30d else 0 end as recent"
        " from core.dim_track_tags inner join features.feat_track using (track_key)"
        f" where as_of = {sql_date(as_of)} and listeners >= {LEAST_LISTENERS}"
        f" and length(tag) <= {LONGEST_TAG}),"
        " ranked as (select tag, track_key, recent, row_number() over"
        " (partition by tag order by recent desc, listeners desc, track_key) as rank from tagged)"
        " select tag, array_agg(track_key order by rank) as track_keys, array_agg(recent order by rank) as scores"
        f" from ranked where rank <= {TAG_TRACKS} group by tag having count(*) >= {least_tracks}"
        f' order by sum(recent) desc, count(*) desc, tag collate "C" limit {MOST_TAGS}',
        rows_per_batch=_TAGS_PER_BATCH,
    )
    for batch in rows:
        tags, lists, scores = zip(*batch, strict=True)
        yield TagBatch(
            tags=tags,
            offsets=np.cumsum([0, *map(len, lists)]),
            track_keys=np.concatenate([np.array(keys, np.int32) for keys in lists]),
            scores=np.concatenate([np.array(each, np.float32) for each in scores]),
        )
