"""For which share of the listeners a day is a public holiday, by the countries that their profiles name."""

from collections.abc import Mapping
from datetime import date
from functools import cache

# As people and services write them; the library knows a country by its English name and its ISO 3166 codes.
_ALSO_KNOWN_AS = {
    "czech_republic": "CZ",
    "england": "GB",
    "great_britain": "GB",
    "holland": "NL",
    "iran,_islamic_republic_of": "IR",
    "korea,_republic_of": "KR",
    "republic_of_korea": "KR",
    "russian_federation": "RU",
    "taiwan,_province_of_china": "TW",
    "turkiye": "TR",
    "uk": "GB",
    "united_states_of_america": "US",
    "viet_nam": "VN",
}


def holiday_share(listeners: Mapping[str, int], day: date) -> float:
    """The share of those listeners whose country is known for whom the day is a public holiday, 0 to 1; 0 for nobody.

    listeners: how many there are of each country, as their profiles write it.
    """
    known = {country: number for country, number in listeners.items() if _code(country)}
    on_holiday = sum(number for country, number in known.items() if _name(str(_code(country)), day))
    return on_holiday / sum(known.values()) if known else 0.0


def holiday_names(listeners: Mapping[str, int], day: date) -> list[str]:
    """What the holidays are called, that of the most listeners first, each once."""
    found = [
        _name(code, day) for country in sorted(listeners, key=lambda each: -listeners[each]) if (code := _code(country))
    ]
    return list(dict.fromkeys(name for name in found if name))


@cache
def _code(country: str) -> str | None:
    """ISO 3166 alpha-2 of a country, None where the library does not know it."""
    from holidays.registry import COUNTRIES

    name = "_".join(country.lower().split())
    if name in _ALSO_KNOWN_AS:
        return _ALSO_KNOWN_AS[name]
    if name in COUNTRIES:
        return COUNTRIES[name][1]
    return next((codes[1] for codes in COUNTRIES.values() if country.upper() in codes[1:3]), None)


@cache
def _name(code: str, day: date) -> str | None:
    # Imported with the country alone: all of them take seconds.
    from holidays import country_holidays

    return country_holidays(code, years=day.year).get(day)
