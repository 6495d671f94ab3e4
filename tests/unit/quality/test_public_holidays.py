"""Whose holiday a day is, by countries as profiles write them."""

from datetime import date

import pytest

from quality.public_holidays import holiday_names, holiday_share

CHRISTMAS = date(2026, 12, 25)


@pytest.mark.parametrize(
    ("listeners", "share"),
    [
        ({"Finland": 3, "Japan": 1}, 0.75),
        ({"DE": 1, "USA": 1, "United Kingdom": 1, "Russian Federation": 1}, 0.75),
        # Who names no country that is known, or none, says nothing.
        ({"Finland": 1, "Atlantis": 99}, 1.0),
        ({"Atlantis": 1}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_share_is_of_those_whose_country_is_known(listeners: dict[str, int], share: float) -> None:
    assert holiday_share(listeners, CHRISTMAS) == share
    assert holiday_share(listeners, date(2026, 12, 15)) == 0.0


def test_holidays_have_their_names_that_of_the_most_listeners_first() -> None:
    assert holiday_names({"Japan": 9, "Finland": 1, "United States": 5}, CHRISTMAS) == ["Christmas Day"]
    assert holiday_names({"Japan": 9}, CHRISTMAS) == []
