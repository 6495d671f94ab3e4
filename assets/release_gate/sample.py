"""For whom lists of an earlier date are made again, to hold what makes the lists of a date against what served them."""

from datetime import date

from assets.horizon import in_horizon
from assets.listens import unlikely_as_of

# One batch of candidates. By the widths in docs/adr/0012, the interval of the difference in NDCG@100 is then 1 to 2.5 %
# of it to either side.
MOST_SAMPLED_USERS = 2000


def sampled_users(as_of: date, day: str) -> str:
    """The query of the `user_key` of people who had listened before a day, and did in the 14 days after it.

    Of many, so many as are drawn by `as_of`, the date of the lists that are judged. day: the earlier date as SQL.
    """
    return (
        f"select user_key from features.feat_user as users where as_of = {day} and not {unlikely_as_of(day, 'users')}"
        " and exists (select from core.fct_listens as listens where listens.user_key = users.user_key"
        f" and {in_horizon(day, 'listens')}) order by md5(user_key::text || ' {as_of.isoformat()}'), user_key"
        f" limit {MOST_SAMPLED_USERS}"
    )
