"""Faults of a night, from what was loaded to the lists, and the gate that has to stop each of them."""

import numpy as np
from planted_faults import Fault, Frame, in_candidates, in_lists, in_new_rows
from sample_pipeline import AS_OF


def _without_als(pool: Frame) -> Frame:
    return pool.assign(score_als=np.float32(np.nan), rank_als=np.float32(np.nan), share_als=np.float32(np.nan))


def _infinite(pool: Frame) -> Frame:
    return pool.assign(score_als=pool["score_als"].where(pool.index % 100 > 0, np.float32(np.inf)))


def _a_third(pool: Frame) -> Frame:
    return pool[pool["track_key"] % 3 == 0]


def _without_the_second(lists: Frame) -> Frame:
    return lists[lists["rank"] != 2]


def _without_a_tenth(lists: Frame) -> Frame:
    return lists[lists["user_key"] % 10 != 0]


def _one_list_for_all(lists: Frame) -> Frame:
    first = lists[lists["user_key"] == lists["user_key"].min()].drop(columns="user_key")
    return lists[["user_key"]].drop_duplicates().merge(first, how="cross")


def _first_track_twice(lists: Frame) -> Frame:
    first = lists.groupby("user_key")["track_key"].transform("first")
    return lists.assign(track_key=lists["track_key"].mask(lists["rank"] == 2, first).astype("int32"))


# As if each day had come in a file of its own, up to the night, and the last one had not.
NO_LAST_DAY = (
    f"delete from raw.listens where listened_at >= timestamptz '{AS_OF} 00:00:00+00';"
    " update raw.ingest_files set last_listened_at = timestamptz '2026-01-01', rows_loaded = there, rows_read = there"
    " + rows_rejected + rows_duplicate + rows_left_out"
    " from (select file_id, count(*) as there from raw.listens group by file_id) as loaded"
    " where loaded.file_id = ingest_files.file_id"
)
# As if there had been twice as many tracks on the nights before.
_TWICE_BEFORE = (
    "update quality.observations set value = 2 * value where metric = 'rows' and validation_id in"
    " (select validation_id from quality.validations where check_name = 'dim_tracks_suite')"
)
_NEWEST = "file_id = (select max(file_id) from raw.listens)"
_SOME = f"{_NEWEST} and user_key = 7"
RAW = "raw_listens_suite"

FAULTS = (
    Fault(
        "seconds that were read as milliseconds",
        RAW,
        "listened at an impossible time",
        f"update raw.listens set listened_at = to_timestamp(extract(epoch from listened_at) / 1000) where {_SOME}",
    ),
    Fault(
        "times in the future",
        RAW,
        "listened at an impossible time",
        f"update raw.listens set listened_at = listened_at + interval '1 year' where {_SOME}",
    ),
    Fault(
        "negative durations",
        RAW,
        "ms_played out of range",
        f"update raw.listens set ms_played = -5 where {_SOME}",
    ),
    Fault(
        "microseconds for milliseconds",
        RAW,
        "ms_played out of range",
        f"update raw.listens set ms_played = 215000000 where {_SOME}",
    ),
    Fault("keys below zero", RAW, "user_key out of range", f"update raw.listens set user_key = -1 where {_SOME}"),
    Fault("listens that vanished", RAW, "files that do not add up", f"delete from raw.listens where {_SOME}"),
    Fault(
        "rows that are there twice",
        RAW,
        "files that do not add up",
        "insert into raw.listens (user_key, track_key, listened_at, ms_played, source, file_id, ingested_at)"
        " select user_key, track_key, listened_at + interval '1 second', ms_played, source, file_id, ingested_at"
        f" from raw.listens where {_SOME}",
    ),
    Fault(
        "rejected rows that vanished",
        RAW,
        "files that do not add up",
        "delete from raw.rejected_listens",
    ),
    Fault(
        "users who vanished",
        RAW,
        "without user or track",
        "delete from raw.users where user_key = 7",
    ),
    Fault(
        "tracks that vanished",
        RAW,
        "without user or track",
        "delete from raw.tracks where track_key = 7",
    ),
    Fault("a catalogue that was emptied", RAW, "without user or track", "delete from raw.tracks"),
    Fault(
        "half of the catalogue gone",
        "dim_tracks_suite",
        "rows",
        _TWICE_BEFORE,
        after_a_week=True,
    ),
    Fault(
        "two tracks with one id",
        "unique_dim_tracks_track_id",
        "unique_dim_tracks_track_id: 1 failing row",
        "alter table raw.tracks drop constraint tracks_track_id_key; update raw.tracks set track_id ="
        " (select track_id from raw.tracks where track_key = 8) where track_key = 7",
    ),
    Fault(
        "titles that are gone",
        "dim_tracks_suite",
        "share with title",
        "update raw.tracks set title = null",
        after_a_week=True,
    ),
    Fault(
        "artists that are gone",
        "dim_tracks_suite",
        "share with artist_key",
        "update raw.tracks set artist_key = null",
        after_a_week=True,
    ),
    Fault(
        "countries that are gone",
        "dim_users_suite",
        "share with country",
        "update raw.users set country = null",
        after_a_week=True,
    ),
    Fault(
        "windows that do not nest",
        "feat_user_suite",
        "windows that do not nest",
        in_new_rows("features.feat_user", "new.listens_7d := new.listens_30d + 1"),
    ),
    Fault(
        "a window that misses the newest days",
        "feat_user_suite",
        "no listens in a week with some",
        in_new_rows("features.feat_user", "new.listens_7d := 0"),
    ),
    Fault(
        "a window that goes on too long",
        "feat_user_suite",
        "listens in a week without any",
        in_new_rows("features.feat_user", "new.listens_7d := greatest(new.listens_7d, least(new.listens_30d, 1))"),
    ),
    Fault(
        "a feature of listens from after the date",
        "feat_user_suite",
        "counted more or less than there are",
        in_new_rows("features.feat_user", "new.listens := new.listens + 1"),
    ),
    Fault(
        "a join that multiplies listeners",
        "feat_track_suite",
        "more listeners than listens",
        in_new_rows("features.feat_track", "new.listeners := new.listens + 1"),
    ),
    Fault(
        "a count that was rounded away",
        "feat_user_track_suite",
        "decayed listens out of range",
        in_new_rows("features.feat_user_track", "new.decayed_listens := 0"),
    ),
    Fault(
        "tracks that are counted twice",
        "feat_user_artist_suite",
        "more tracks than listens",
        in_new_rows("features.feat_user_artist", "new.tracks := new.listens + 1"),
    ),
    Fault(
        "an artist's listens that are lost",
        "feat_artist_suite",
        "counted more or less than there are",
        in_new_rows("features.feat_artist", "new.listens := new.listens - 1"),
    ),
    Fault("a day without a file", "newest_day_is_whole", "0.0 listens", NO_LAST_DAY),
    Fault(
        "a feature that is the same for everybody",
        "feat_user_drift",
        "tracks_30d",
        in_new_rows("features.feat_user", "new.tracks_30d := 3"),
    ),
    Fault(
        "an infinite feature",
        "feat_user_track_drift",
        "days_since_first",
        in_new_rows("features.feat_user_track", "new.days_since_first := 'infinity'"),
    ),
    Fault(
        "a share that is not a number",
        "in_ranges_feat_user",
        "in_ranges",
        in_new_rows("features.feat_user", "new.repeat_share := 'NaN'"),
    ),
    Fault(
        "an age below zero",
        "in_ranges_feat_track",
        "in_ranges",
        in_new_rows("features.feat_track", "new.days_since_last := -1"),
    ),
    Fault(
        "a feature that is null",
        "never_null_feat_artist",
        "never_null",
        in_new_rows("features.feat_artist", "new.tracks := null"),
    ),
    Fault(
        "a source of candidates that fell silent",
        "candidates_suite",
        "share with score_als",
        during=in_candidates(_without_als),
        after_a_week=True,
    ),
    Fault("infinite scores", "candidates_suite", "infinite numbers", during=in_candidates(_infinite)),
    Fault(
        "two thirds of the candidates lost",
        "candidates_suite",
        "rows",
        during=in_candidates(_a_third),
        after_a_week=True,
    ),
    Fault(
        "places of lists that are missing",
        "recommendations_suite",
        "broken lists",
        during=in_lists(_without_the_second),
    ),
    Fault("a track twice in a list", "recommendations_suite", "broken lists", during=in_lists(_first_track_twice)),
    Fault(
        "no source named",
        "recommendations_suite",
        "without a source",
        during=in_lists(lambda lists: lists.assign(source="")),
    ),
    Fault(
        "a tenth of the users without lists",
        "for_you_may_go_live",
        "users expected have a list, where 95% is the least",
        during=in_lists(_without_a_tenth),
    ),
    Fault(
        "everyone the same list",
        "for_you_may_go_live",
        "of the lists are one and the same",
        during=in_lists(_one_list_for_all),
    ),
)
