"""What is said of a release that does not hold everything."""

from datetime import date
from typing import Any

import pytest

from assets.publish.left_out import left_out
from serving_api.contract import HeldSlate

MODELS = {"for_you": "for_you-1", "discover": "discover-1", "rediscover": "rediscover-1"}
COUNTS = {"users": {}, "tracks": 9, "popular": 5, "similar_tracks": 4, "similar_artists": 1}
OWN = {"for_you": "untrained/own_plays", "rediscover": "untrained/own_plays"}


@pytest.mark.parametrize(
    ("models", "counts", "said"),
    [
        (MODELS, COUNTS, []),
        # Of old releases less is on record than of today's.
        (MODELS, {"popular": 5}, []),
        (
            OWN,
            COUNTS | {"popular": 0, "similar_tracks": 0, "similar_artists": 0},
            [
                "no ranker serves for_you yet: its lists are in the order of own_plays",
                "no ranker serves rediscover yet: its lists are in the order of own_plays",
                "no lists of discover: nobody has a track that could be in one",
                "no popular list, no similar tracks, no similar artists: they hold only what 3 listeners share",
            ],
        ),
        (MODELS, COUNTS | {"similar_artists": 0}, ["no similar artists: they hold only what 3 listeners share"]),
    ],
)
def test_each_kind_of_thing_that_is_missing_has_a_line(
    models: dict[str, str], counts: dict[str, Any], said: list[str]
) -> None:
    assert left_out(models, counts) == said


def test_a_slate_that_was_refused_says_what_stays_and_why() -> None:
    because = ["50.0% of the 50 users expected have a list", "3 scores that are not finite numbers"]
    held = {"discover": HeldSlate(date(2026, 11, 20), because), "rediscover": HeldSlate(None, because[:1])}
    models = {slate: version for slate, version in MODELS.items() if slate != "rediscover"}
    assert left_out(models, COUNTS, held) == [
        f"the lists of discover were refused, and those as of 2026-11-20 stay: {'; '.join(because)}",
        f"the lists of rediscover were refused, and there are no earlier ones: {because[0]}",
    ]
