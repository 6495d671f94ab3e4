"""How fast names are found, in the index itself and over HTTP, what an index costs, and how it gets into a process.

Made-up names of common and of rare words, one in ten in another script, popularity as Zipf has it. An index is built,
published with its records to a Redis of its own, and one process of the API is asked, one question at a time.

    python -m benchmarks.search
    python -m benchmarks.search --names 10000 --json
"""

import argparse
import random
import re
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from zipfile import ZipFile

import httpx
import numpy as np
import psutil
from redis import Redis

from assets.lookup.index import Name, built_index
from assets.publish.release import publish
from benchmarks.made_up import made_up_release
from benchmarks.pipeline import own_home
from benchmarks.serving import NO_OP
from orchestration.cli.rendering import print_json, print_table, say
from orchestration.platform import Platform
from orchestration.up import api_child
from serving_api import contract
from serving_api.contract import Artist, SearchKind, Track, search_entries, search_key, tracks_key
from serving_api.search.engine import SearchIndex
from warehouse.local.server import any_free_port

COMMON = re.findall(
    r"\w+",
    "the of and love in my you night heart a to on me it dance blue summer black life time light fire dream home way"
    " little girl world day moon star rain sun gold road river white wild rose city",
)
SCRIPTS = {
    "бвгджзклмнпрстфхцчш": "аеиоуыэюя",
    "βγδζθκλμνπρστφχψ": "αεηιουω",
    "بتثجحخدذرزسشصضطظعغفقكلمنهي": "اوي",
}
RARE_WORDS = 60_000
NAMES_PER_ARTIST = 11
QUERIES = 3_000


class Names:
    """Names by their place, and what somebody would type to find them."""

    def __init__(self, count: int) -> None:
        draw = random.Random(7)
        self._draw = draw
        rare: dict[str, None] = {}
        while len(rare) < RARE_WORDS:
            rare["".join(self._syllable() for _ in range(draw.choice((1, 2, 2, 3, 3))))] = None
        self._rare = list(rare)
        artists = [self._name(draw.choice((1, 2, 2, 3))) for _ in range(max(count // NAMES_PER_ARTIST, 1))]
        self.all = [
            Name(SearchKind.ARTIST, place // NAMES_PER_ARTIST, artists[place // NAMES_PER_ARTIST], None, True)
            if place % NAMES_PER_ARTIST == 0 and place // NAMES_PER_ARTIST < len(artists)
            else Name(
                SearchKind.TRACK,
                place,
                self._name(draw.choice((1, 2, 2, 3, 3, 4, 5))),
                artists[int(len(artists) * draw.random() ** 2)],
                True,
            )
            for place in range(count)
        ]

    def _syllable(self) -> str:
        draw = self._draw
        starts = ("b", "br", "d", "dr", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "th", "w", "")
        return draw.choice(starts) + draw.choice("aeiou") + draw.choice(("", "", "n", "r", "l", "s", "t", "m"))

    def _name(self, words: int) -> str:
        draw = self._draw
        if draw.random() < 0.1:
            if draw.random() < 0.25:
                return "".join(chr(0x4E00 + int(draw.random() ** 3 * 3000)) for _ in range(draw.randint(2, 6)))
            consonants, vowels = draw.choice(list(SCRIPTS.items()))
            letters = [draw.choice(consonants) + draw.choice(vowels) for _ in range(draw.randint(2, 8))]
            return "".join(letters[:3]) + " " * (len(letters) > 3) + "".join(letters[3:])
        return " ".join(
            draw.choice(COMMON) if draw.random() < 0.35 else self._rare[int(RARE_WORDS * draw.random() ** 2.5)]
            for _ in range(words)
        )

    def typed(self, count: int) -> Iterator[tuple[str, str]]:
        """Kinds of queries and what is typed, the popular names more often than others."""
        draw = self._draw
        for _ in range(count):
            name = self.all[int(len(self.all) * draw.random() ** 3)]
            words = name.name.split()
            yield draw.choice(
                (
                    ("prefix of 2 to 8", name.name[: draw.randint(2, 8)]),
                    ("one or two letters", draw.choice(("t", "s", "th", "lo", "st", "m", "the l", "a", "a b", "my s"))),
                    ("whole name", name.name),
                    ("words in another order", " ".join(reversed(words))),
                    ("a typo in each word", " ".join(map(self._typo, words))),
                    ("artist and title", f"{name.artist or ''} {name.name[:5]}".strip()),
                    ("nothing like it", "".join(draw.choice("qxzjvwk") for _ in range(draw.randint(4, 12)))),
                )
            )

    def _typo(self, word: str) -> str:
        if len(word) < 4:
            return word
        at = self._draw.randrange(len(word) - 1)
        other = self._draw.choice("aeiounrst")
        tail = word[at + 2 :]
        wrong = (word[at + 1] + tail, other + word[at:], other + word[at + 1 :], word[at + 1] + word[at] + tail)
        return word[:at] + self._draw.choice(wrong)


@dataclass(frozen=True)
class Cost:
    """What an index of some names costs."""

    names: int
    build_seconds: float
    peak_mb: float
    """Of the process that builds it, the names themselves included."""
    archive_mb: float
    redis_mb: float
    ready_seconds: float
    """From a process's start to its first answer, all that it loads included."""
    api_mb: float
    """Resident memory of the process of the API after all questions, the files of the index included."""
    scan_seconds: float
    """What reading all records from Redis takes, before a process that built its own index could begin."""


@dataclass(frozen=True)
class Asked:
    """How long answers took over HTTP, or how long the index itself had a processor."""

    names: int
    queries: str
    count: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    found_nothing: int


def measure(platform: Platform, count: int) -> tuple[Cost, list[Asked]]:
    """Build, publish and ask."""
    names = Names(count)
    started = time.perf_counter()
    with built_index(names.all) as (description, archive):
        entries = list(search_entries(description, archive))
    built = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tracks = [each for each in names.all if each.kind is SearchKind.TRACK]
    artists = [Artist(each.key, f"a-{each.key}", each.name, None) for each in names.all if each.artist is None]
    # The lists of the made-up release name tracks by keys that count up from 0.
    held = {each.key for each in tracks}
    others = [Track(key, f"t-{key}", None, None, None, None) for key in range(1000) if key not in held]
    release = replace(
        made_up_release(10, 1000),
        tracks=lambda: iter([[*(_track(each) for each in tracks), *others]]),
        artists=lambda: iter([artists]),
        search=lambda: iter(entries),
    )
    with platform.redis() as client:
        name = publish(client, release).meta.release
        held_mb = cast(int, client.memory_usage(search_key(name), samples=0)) / 2**20
        scan = _scan_seconds(client, tracks_key(name))
    port = any_free_port()
    url = f"http://127.0.0.1:{port}"
    started = time.perf_counter()
    before = sum(each.memory_info().rss for each in psutil.Process().children()) / 2**20
    with api_child(platform, port) as api, httpx.Client(base_url=url) as client_of_api:
        api.wait_for(f"{url}/livez", 60)
        while client_of_api.get("/v1/search", params={"q": "the"}).status_code != 200:
            time.sleep(0.05)
        ready = time.perf_counter() - started
        asked = [_found(entries, names, count), *_ask(client_of_api, names, count)]
        resident = sum(each.memory_info().rss for each in psutil.Process().children()) / 2**20 - before
    size = description.size / 2**20
    return Cost(count, built, peak, size, held_mb, ready, resident, scan), asked


def _track(name: Name) -> Track:
    return Track(name.key, f"t-{name.key}", name.name, name.artist, None, None)


def _scan_seconds(client: Redis, key: str) -> float:
    started = time.perf_counter()
    for field, packed in client.hscan_iter(key, count=1000):
        contract.unpack_track(field, packed)
    return time.perf_counter() - started


def _found(entries: list[tuple[bytes, bytes]], names: Names, count: int) -> Asked:
    """What the index itself takes of a processor, in this process: others on the machine make no difference."""
    with TemporaryDirectory() as folder:
        with ZipFile(BytesIO(b"".join(part for _, part in entries[1:]))) as archive:
            archive.extractall(folder)
        index = SearchIndex(Path(folder), count)
    took, nothing = [], 0
    for number, (_, typed) in enumerate(names.typed(QUERIES + 200)):
        started = time.thread_time()
        found = index.find(contract.words(typed or "a"), None, 20)
        if number >= 200:
            took.append((time.thread_time() - started) * 1000)
            nothing += not found
    return _asked(count, "all, of a processor", took, nothing)


def _ask(api: httpx.Client, names: Names, count: int) -> list[Asked]:
    """What the API takes for questions of each kind, and for all of them."""
    took: dict[str, list[float]] = defaultdict(list)
    nothing: dict[str, int] = defaultdict(int)
    for number, (kind, typed) in enumerate(names.typed(QUERIES + 200)):
        started = time.perf_counter()
        api.get(NO_OP)
        took["no-op"].append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        answer = api.get("/v1/search", params={"q": typed or "a"})
        milliseconds = (time.perf_counter() - started) * 1000
        # The first ones find nothing in memory yet.
        if number >= 200:
            for each in (kind, "all"):
                took[each].append(milliseconds)
                nothing[each] += not answer.raise_for_status().json()["items"]
    return [_asked(count, kind, each, nothing[kind]) for kind, each in sorted(took.items())]


def _asked(count: int, queries: str, took: list[float], found_nothing: int) -> Asked:
    p50, p99 = map(float, np.percentile(took, (50, 99)))
    return Asked(count, queries, len(took), p50, p99, max(took), found_nothing)


def main() -> None:
    """Two tables, or one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    costs, asked = [], []
    for count in chosen.names:
        with own_home() as platform:
            cost, answers = measure(platform, count)
        costs.append(cost)
        asked += answers
    if chosen.json:
        print_json({"costs": [asdict(each) for each in costs], "asked": [asdict(each) for each in asked]})
        return
    for cost in costs:
        say(
            f"{cost.names:,} names: built in {cost.build_seconds:.1f} s with {cost.peak_mb:,.0f} MB; archive"
            f" {cost.archive_mb:.1f} MB, in Redis {cost.redis_mb:.1f} MB; a process answers {cost.ready_seconds:.1f} s"
            f" after its start and takes {cost.api_mb:,.0f} MB; reading all records alone would take"
            f" {cost.scan_seconds:.1f} s"
        )
    print_table(
        "one question at a time, over HTTP",
        ("names", "queries", "of them", "p50 ms", "p99 ms", "longest ms", "found nothing"),
        [
            (
                f"{each.names:,}",
                each.queries,
                each.count,
                f"{each.p50_ms:.2f}",
                f"{each.p99_ms:.2f}",
                f"{each.longest_ms:.2f}",
                each.found_nothing,
            )
            for each in asked
        ],
    )


if __name__ == "__main__":
    main()
