"""A mapping for a file nobody has described yet: what its columns seem to be, with the doubts as comments."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from assets.ingest.files import InputFile
from assets.ingest.mapping import Mapping
from assets.ingest.sample_rows import Sample, read_sample
from assets.ingest.synonyms import SYNONYMS, candidates
from assets.ingest.time_units import days_and_months_swapped, fitting_units

_NOT_IN_COMMENTS = re.compile(r"[\x00-\x1f\x7f]")
_MBID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_YES_OR_NO = {"true", "false", "t", "f", "yes", "no", "y", "n", "0", "1", "0.0", "1.0"}
# Whose time is that of the end of playback.
_ENDS = ("endtime", "end_time", "ended_at")


@dataclass
class _Found:
    """What the columns seem to be: of each field its column, the doubts about it, and what it needs beside it."""

    columns: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Suggestion:
    """A mapping file.

    Attributes:
        text: of the file.
        missing: why it cannot be used as it is; None if it can.
    """

    text: str
    missing: str | None


def suggest(file: InputFile, source: str | None = None, user: str | None = None) -> Suggestion:
    """Write a mapping for a file from its first rows.

    Args:
        file: CSV, TSV, JSON, Parquet or Excel.
        source: name of the service; by default made of the file's name.
        user: whose listens all of them are.

    Raises:
        AudoticsError: the file has no rows, or is damaged.
    """
    sample = read_sample(file)
    found = _find(sample)
    if user is not None:
        found.columns.pop("user_id", None)
    lines = "\n".join(_lines(file, sample, found, source, user)) + "\n"
    try:
        Mapping.model_validate(tomllib.loads(lines))
    except ValidationError as error:
        return Suggestion(lines, "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))
    return Suggestion(lines, None)


def _find(sample: Sample) -> _Found:
    found = _Found()
    for name in SYNONYMS:
        possible = [each for each in candidates(name, sample.columns) if each not in found.columns.values()]
        if name == "listened_at":
            # Of these names what holds times; whatever is called otherwise, if there is no such column.
            for tried in (possible, list(sample.columns)):
                units = {each: fitting for each in tried if (fitting := fitting_units(sample.columns[each]))}
                if units:
                    break
            possible, found.units = list(units), next(iter(units.values()), [])
            if units and tried != candidates(name, sample.columns):
                found.doubts[name] = ["its name does not say so, but it holds times"]
        else:
            possible = [each for each in possible if _plausible(name, sample.columns[each])]
        if not possible:
            continue
        found.columns[name], *others = possible
        if others:
            found.doubts.setdefault(name, []).append(f"it could also be {', '.join(map(_toml, others))}")
        if name == "track_id" and found.columns[name].lower() == "id":
            found.doubts.setdefault(name, []).append("if this numbers the rows and not the tracks, leave it out")
    return found


def _plausible(name: str, values: list[str]) -> bool:
    """Whether the values of a column may be those of a field."""
    if not values:
        return False
    if name in ("recording_mbid", "artist_mbid"):
        return 2 * sum(bool(_MBID.fullmatch(value)) for value in values) > len(values)
    if name == "isrc":
        return all(re.fullmatch(r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[0-9]{2}-?[0-9]{5}", value) for value in values)
    if name == "skipped":
        return {value.lower() for value in values} <= _YES_OR_NO
    if name in ("ms_played", "duration_ms"):
        return all(re.fullmatch(r"\d+(\.\d+)?", value) for value in values)
    if name == "track_id" and all(value.isdigit() for value in values):
        numbers = [int(value) for value in values]
        # What grows by one from row to row numbers the rows.
        return len(numbers) < 3 or any(after - before != 1 for before, after in pairwise(numbers))
    return True


def _lines(file: InputFile, sample: Sample, found: _Found, source: str | None, user: str | None) -> Iterator[str]:
    yield f"# Suggested by the first {sample.rows:,} rows of {_toml(file.name)}. Check it, and what it makes of them:"
    yield "# audotics ingest FILE --mapping THIS --dry-run. Every key is explained in docs/mappings.md."
    name = source or re.sub(r"[^a-z0-9_.-]+", "-", file.plain_name.lower().rpartition(".")[0]).strip("-._")[:64]
    yield f"source = {_toml(name or 'listens')}" + ("" if source else "  # the service the ids are of: better its name")
    yield from (f"# {_NOT_IN_COMMENTS.sub('�', doubt)}" for doubt in sample.doubts)
    yield from (f"{key} = {_toml(value)}" for key, value in sample.keys.items())
    for name, key in (("ms_played", "played_unit"), ("duration_ms", "duration_unit")):
        if seconds := _in_seconds(sample, found.columns.get(name)):
            yield f'{key} = "s"  # {seconds}'
    yield ""
    yield "[columns]"
    for each in SYNONYMS:
        if each in found.columns:
            yield from (f"# {each}: {doubt}" for doubt in found.doubts.get(each, []))
            yield f"{each} = {_toml(found.columns[each])}"
    yield from _not_found(sample, found, user)
    if user is not None:
        yield from ("", "[constants]", f"user_id = {_toml(user)}")
    yield from ("", "[time]")
    yield from _time(sample, found)


def _not_found(sample: Sample, found: _Found, user: str | None) -> Iterator[str]:
    columns = found.columns
    if "user_id" not in columns and user is None:
        yield '# user_id = "?"  # no column seems to name the user: say which, or suggest with --user NAME'
    for each in ("listened_at", "artist_name", "title"):
        if each not in columns and (each == "listened_at" or not {"track_id", "recording_mbid"} & set(columns)):
            yield f'# {each} = "?"  # no column seems to be it: say which'
    if unused := [column for column in sample.columns if column not in columns.values()]:
        yield f"# not used: {', '.join(map(_toml, unused))}"


def _time(sample: Sample, found: _Found) -> Iterator[str]:
    if not found.units:
        yield "# how the times are written could not be told: s, ms, us or ns since 1970, or a format"
        yield 'unit = "iso8601"'
        return
    values = sample.columns[found.columns["listened_at"]]
    for unit in found.units:
        if swapped := days_and_months_swapped(unit, values):
            doubt = "no value tells whether the day or the month comes first"
            yield f"# {doubt}: {_toml(unit)} could also be {_toml(swapped)}"
    yield f"unit = {_toml(found.units if len(found.units) > 1 else found.units[0])}"
    if any("%" in unit for unit in found.units):
        yield '# zone = "Europe/Berlin"  # the times carry no zone and are read as UTC: say which they are of'
    if "ms_played" in found.columns and _is_end(found.columns):
        yield 'event = "end"  # by its name the time is that of the end of playback'


def _is_end(columns: dict[str, str]) -> bool:
    at = columns["listened_at"].lower()
    return at in _ENDS or (at == "ts" and columns.get("title", "").startswith("master_metadata"))


def _in_seconds(sample: Sample, column: str | None) -> str | None:
    """Return why a column of lengths of time seems to be in seconds, None if it does not."""
    if column is None or "ms" in column.lower() or "milli" in column.lower():
        return None
    if "second" in column.lower():
        return f"by the name of {column}"
    longest = max(map(float, sample.columns[column]))
    return f"the longest is {longest:g}, too little for milliseconds" if longest < 10_000 else None


def _toml(value: Any) -> str:
    """A value as TOML: texts, numbers and lists are written as JSON has them."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
