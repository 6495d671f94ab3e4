"""What a release does not hold, in words: lists that no ranker ordered, or that were refused; empty public lists."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from assets.public import LEAST_LISTENERS
from assets.slates import Slate
from serving_api.contract import UNTRAINED, HeldSlate

_PUBLIC = {"popular": "popular list", "similar_tracks": "similar tracks", "similar_artists": "similar artists"}


def left_out(
    models: Mapping[str, str], counts: Mapping[str, Any], held: Mapping[str, HeldSlate] = MappingProxyType({})
) -> list[str]:
    """A line for each kind of thing that is missing from a release; empty where nothing is.

    models: model version by slate. counts: numbers by the names of ReleaseCounts, as far as they are known. held: as in
    ReleaseMeta.
    """
    untrained = {slate: version for slate, version in models.items() if version.startswith(UNTRAINED)}
    lines = [
        f"no ranker serves {slate} yet: its lists are in the order of {version.removeprefix(UNTRAINED)}"
        for slate, version in sorted(untrained.items())
    ]
    for slate, kept in sorted(held.items()):
        stays = f"those as of {kept.as_of} stay" if kept.as_of else "there are no earlier ones"
        lines.append(f"the lists of {slate} were refused, and {stays}: {'; '.join(kept.because)}")
    if missing := [slate for slate in Slate if slate not in models and slate not in held]:
        lines.append(f"no lists of {' or '.join(missing)}: nobody has a track that could be in one")
    if empty := [name for count, name in _PUBLIC.items() if counts.get(count) == 0]:
        shared = f"they hold only what {LEAST_LISTENERS} listeners share"
        lines.append(f"no {', no '.join(empty)}: {shared}")
    return lines
