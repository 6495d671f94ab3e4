"""How rules are stated: by a request, and by a scenario that an operator has stored."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationInfo, field_validator

from serving_api.contract import LONGEST_TAG
from serving_api.rules import Boost, Filter, Rules, Values, Years

MOST_VALUES = 100
MOST_RANKS = 1000

Id = Annotated[str, Field(min_length=1, max_length=2048)]
Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)]


def _as_dates_are_written(value: object) -> object:
    """Refuse what pydantic takes for a date beside those, such as the number of a second."""
    if isinstance(value, date) or (isinstance(value, str) and _DATE.fullmatch(value)):
        return value
    raise ValueError("is not a date such as 2026-11-22")


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Day = Annotated[date, BeforeValidator(_as_dates_are_written)]
YearRange = Annotated[str, Field(pattern=r"^\d{4}(-\d{4})?$")]


class ContradictionError(Exception):
    """Rules of a request that let nothing pass beside those of the scenario that it names."""

    def __init__(self, field: str, scenario: str) -> None:
        super().__init__(f"the scenario {scenario} excludes all that this includes")
        self.field = field


class RuleFields(BaseModel):
    """Rules that requests and scenarios state alike."""

    include_artist: tuple[Id, ...] = Field(
        default=(), max_length=MOST_VALUES, description="Only tracks of these artists, by id.", examples=[["a-000117"]]
    )
    exclude_artist: tuple[Id, ...] = Field(
        default=(), max_length=MOST_VALUES, description="No tracks of these artists, by id.", examples=[["a-000117"]]
    )
    include_tag: tuple[Tag, ...] = Field(
        default=(), max_length=MOST_VALUES, description="Only tracks with one of these tags.", examples=[["dream pop"]]
    )
    exclude_tag: tuple[Tag, ...] = Field(
        default=(), max_length=MOST_VALUES, description="No tracks with one of these tags.", examples=[["christmas"]]
    )
    include_year: tuple[YearRange, ...] = Field(
        default=(),
        max_length=MOST_VALUES,
        description="Only tracks of these years, such as 1994 or 1990-1999; none whose year is not known.",
        examples=[["1990-1999"]],
    )
    exclude_year: tuple[YearRange, ...] = Field(
        default=(), max_length=MOST_VALUES, description="No tracks of these years.", examples=[["1990-1999"]]
    )
    include_explicit: StrictBool | None = Field(
        default=None,
        description="Only tracks that are known to be explicit, or with `false` only those known not to be.",
        examples=[False],
    )
    exclude_explicit: StrictBool | None = Field(
        default=None,
        description="No tracks that are known to be explicit, or with `false` none known not to be.",
        examples=[True],
    )
    max_per_artist: int | None = Field(
        default=None, ge=1, le=MOST_VALUES, description="Most tracks of one artist in the whole list.", examples=[2]
    )
    rotate: Literal["day"] | Day | None = Field(
        default=None,
        description="`day` shuffles the list by UTC day, ten ranks at a time. A date, such as 2026-11-22, gives"
        " the order of that day: for later pages of a list that was begun before midnight.",
        examples=["day"],
    )

    @field_validator("include_year", "exclude_year")
    @classmethod
    def _end_after_they_begin(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for each in _years(ranges):
            if each.last < each.first:
                raise ValueError(f"{each.first}-{each.last} ends before it begins")
        return ranges

    @field_validator("exclude_artist", "exclude_tag", "exclude_year")
    @classmethod
    def _excludes_nothing_that_is_included(cls, excluded: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        other = str(info.field_name).replace("exclude", "include")
        included = {each.lower() for each in info.data.get(other, ())}
        if both := [each for each in excluded if each.lower() in included]:
            raise ValueError(f"{both[0]} is in {other} as well")
        return excluded

    @field_validator("exclude_explicit")
    @classmethod
    def _excludes_not_what_is_included(cls, excluded: bool | None, info: ValidationInfo) -> bool | None:
        if excluded is not None and excluded is info.data.get("include_explicit"):
            raise ValueError("include_explicit says the same, so that nothing is left")
        return excluded

    @property
    def filter(self) -> Filter:
        """What tracks must and must not have."""
        return Filter(
            _values(self.include_artist, self.include_tag, self.include_year, self.include_explicit),
            _values(self.exclude_artist, self.exclude_tag, self.exclude_year, self.exclude_explicit),
        )

    @property
    def rotated_on(self) -> date | None:
        """The day whose shuffle holds."""
        return datetime.now(UTC).date() if isinstance(self.rotate, str) else self.rotate


# What a request has to set for rules to hold.
RULE_NAMES = frozenset(RuleFields.model_fields)
# Those that name several values.
LISTED_RULES = tuple(f"{verb}_{kind}" for verb in ("include", "exclude") for kind in ("artist", "tag", "year"))


class Pin(BaseModel):
    """A track that has its place."""

    model_config = ConfigDict(extra="forbid")

    track_id: Id
    rank: int = Field(ge=1, le=MOST_RANKS)


class Move(BaseModel):
    """Tracks that move by some ranks."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["artist", "tag", "track"]
    value: Id = Field(description="The id of the artist or the track, or the tag.")
    ranks: int = Field(ge=-MOST_RANKS, le=MOST_RANKS, description="Up; down where it is negative.")


class Scenario(RuleFields):
    """Rules that an operator stores under a name, and requests ask for by it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pins: tuple[Pin, ...] = Field(default=(), max_length=MOST_VALUES)
    boosts: tuple[Move, ...] = Field(default=(), max_length=MOST_VALUES)

    @field_validator("pins")
    @classmethod
    def _are_one_per_rank_and_track(cls, pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        for name in ("rank", "track_id"):
            values = [getattr(pin, name) for pin in pins]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"two pins have the {name} {twice[0]}")
        return pins


class Ruled(RuleFields):
    """Rules that a request states, by itself and by the scenario that it names."""

    scenario: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Rules that an operator has stored under this name. They hold beside those of the request.",
        examples=["focus"],
    )


class RuledQuery(Ruled):
    """The part of a query that states rules; values of one kind are separated by commas."""

    @field_validator(*LISTED_RULES, mode="before")
    @classmethod
    def _several_to_a_parameter(cls, groups: list[str]) -> list[str]:
        # A value that is empty stays, to be refused: a filter that is passed over lets everything through.
        return [each for group in groups for each in group.split(",")]

    @field_validator("include_explicit", "exclude_explicit", mode="before")
    @classmethod
    def _written_as_text(cls, value: object) -> object:
        return _IN_QUERIES.get(value.lower(), value) if isinstance(value, str) else value


_IN_QUERIES = {"true": True, "1": True, "false": False, "0": False}


def rules_of(asked: RuleFields, name: str | None, scenario: Scenario | None) -> Rules:
    """What holds for a request: its own rules, and those of the scenario that it names.

    Tracks pass the filters of both; of two caps the lower one holds, and of two days that of the request. Raises
    ContradictionError where the scenario excludes all that the request includes.
    """
    if scenario is None:
        return Rules((asked.filter,), max_per_artist=asked.max_per_artist, rotated_on=asked.rotated_on)
    for field in ("artist", "tag"):
        included = {each.lower() for each in getattr(asked, f"include_{field}")}
        if included and included <= {each.lower() for each in getattr(scenario, f"exclude_{field}")}:
            raise ContradictionError(f"include_{field}", str(name))
    if asked.include_explicit is not None and scenario.exclude_explicit is asked.include_explicit:
        raise ContradictionError("include_explicit", str(name))
    caps = [each for each in (asked.max_per_artist, scenario.max_per_artist) if each is not None]
    return Rules(
        filters=(asked.filter, scenario.filter),
        boosts=tuple(
            Boost(each.scope, each.value.lower() if each.scope == "tag" else each.value, each.ranks)
            for each in scenario.boosts
        ),
        pins={pin.track_id: pin.rank for pin in scenario.pins},
        max_per_artist=min(caps, default=None),
        rotated_on=asked.rotated_on or scenario.rotated_on,
    )


def _values(artists: Sequence[str], tags: Sequence[str], years: Sequence[str], explicit: bool | None) -> Values:
    return Values(frozenset(artists), frozenset(tag.lower() for tag in tags), tuple(_years(years)), explicit)


def _years(ranges: Sequence[str]) -> list[Years]:
    bounds = (each.split("-") for each in ranges)
    return [Years(int(each[0]), int(each[-1])) for each in bounds]
