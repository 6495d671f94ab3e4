"""Which dates a ranker learns from."""

from datetime import date, timedelta

from assets.features.dates import fold_dates
from assets.slates import HORIZON_DAYS

AS_OF = date(2020, 3, 1)


def test_every_fold_closes_before_as_of() -> None:
    dates = fold_dates(AS_OF, 3)
    assert dates == [date(2020, 2, 16), date(2020, 2, 9), date(2020, 2, 2)]
    assert all(fold + timedelta(days=HORIZON_DAYS) <= AS_OF for fold in dates)
