"""Who should have a list in a slate."""

from assets.slates import FORGOTTEN_AFTER_DAYS, Slate

MIN_COVERAGE = 0.95
# So many may lack a list in any case: of a handful of users, one who has heard or blocked all that there is would
# otherwise hold up the lists of all.
MAY_LACK_A_LIST = 2


def expected_users(slate: str, day: str) -> str:
    """The query of the `user_key` of everybody who should have a list as of a date.

    That is everyone who ever listened, for `discover` who has not heard all that anybody did, for `rediscover` who has
    a forgotten track. day: the date as SQL.
    """
    if slate == Slate.REDISCOVER:
        # A distinct count would sort the tracks of everyone.
        return (
            f"select distinct user_key from features.feat_user_track where as_of = {day}"
            f" and days_since_last > {FORGOTTEN_AFTER_DAYS}"
        )
    query = f"select user_key from features.feat_user where as_of = {day}"
    if slate == Slate.DISCOVER:
        query += f" and tracks < (select count(*) from features.feat_track where as_of = {day})"
    return query
