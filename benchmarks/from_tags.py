"""How good lists are that follow from tags alone, beside what is popular, on HetRec 2011 (Last.fm 2K).

Its people play and tag artists, without times, so it says less than a benchmark by time: artists take the place of
tracks, and a fifth of the people who tag are held out. Nothing of theirs is in tags, popularity or similar lists. Of
each the three tags that they give most often are the seeds; relevant is what they play and have not tagged. The merge
is the read API's own, and lists are not spread over artists, as each item is another one.

    python -m benchmarks.from_tags FOLDER
"""

import argparse
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assets.candidates.history import History
from assets.listens import Listens
from assets.metrics.protocol import HEADLINE, per_user_metrics
from assets.public import LEAST_LISTENERS
from assets.publish.popular_content import LEAST_TRACKS
from assets.publish.tag_content import MOST_TAGS, TAG_TRACKS
from assets.similar.sources import Blend, PlainCosine, SimilarConfig, nearest
from assets.slates import LIST_LENGTH
from benchmarks.compared import tell_beside_popular
from serving_api.contract import RankedList
from serving_api.seeds import of_tag, ranked

SEEDS = 3
SEED = 7
HELD_OUT = 0.2
# Of a track, as core.dim_track_tags has them.
TAGS_OF_AN_ITEM = 10
# Without times, any date after all of them.
AS_OF = date(2011, 6, 1)

Lists = dict[int, RankedList]
PerList = dict[str, NDArray[np.float64]]


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What people play (user, item), and the tags they give (user, item, tag), tags in lower case."""
    plays = pd.read_csv(folder / "user_artists.dat", sep="\t").rename(columns={"userID": "user", "artistID": "item"})
    names = pd.read_csv(folder / "tags.dat", sep="\t", encoding="cp1252").set_index("tagID")["tagValue"].str.lower()
    given = pd.read_csv(folder / "user_taggedartists.dat", sep="\t")
    tags = pd.DataFrame({"user": given["userID"], "item": given["artistID"], "tag": given["tagID"].map(names)})
    return plays[["user", "item"]].drop_duplicates(), tags.dropna().drop_duplicates()


def lists_of_tags(tags: pd.DataFrame, listeners: pd.Series) -> dict[str, RankedList]:
    """As a release has them, from the tags of those who are not held out, and the listeners of items."""
    users = tags.groupby(["item", "tag"]).size().rename("users").reset_index()
    users = users[users["users"] >= LEAST_LISTENERS].sort_values(["users", "tag"], ascending=[False, True])
    users = users.groupby("item").head(TAGS_OF_AN_ITEM)
    users["listeners"] = users["item"].map(listeners)
    heard = users[users["listeners"] >= LEAST_LISTENERS].sort_values(["listeners", "item"], ascending=[False, True])
    first = heard.groupby("tag").head(TAG_TRACKS)
    sizes = first.groupby("tag")["listeners"].agg(["sum", "size"])
    kept = sizes[sizes["size"] >= LEAST_TRACKS].sort_values("sum", ascending=False).index[:MOST_TAGS]
    return {
        str(tag): _listed(group["item"].to_numpy(), group["listeners"].to_numpy())
        for tag, group in first[first["tag"].isin(kept)].groupby("tag")
    }


def similar_lists(plays: pd.DataFrame) -> Lists:
    """What is similar to each item: as the lists of a release, without sessions."""
    frame = plays.assign(listened_at=0, session_key=plays["user"]).rename(
        columns={"user": "user_key", "item": "track_key"}
    )
    history, config = History(Listens.from_frame(frame), AS_OF), SimilarConfig()
    source = Blend([PlainCosine(history)], history, config)
    codes, scores = nearest(source, np.arange(len(history.tracks)), config.length, len(history.tracks))
    return {
        int(history.tracks[item]): _listed(history.tracks[codes[item][there]], scores[item][there])
        for item in range(len(codes))
        if (there := codes[item] >= 0).any()
    }


def seeds_of(tags: pd.DataFrame, known: dict[str, RankedList]) -> dict[int, list[str]]:
    """The tags that each person gives most often, of those that a release would have; without who has too few."""
    counts = tags[tags["tag"].isin(list(known))].groupby(["user", "tag"]).size().rename("times").reset_index()
    counts = counts.sort_values(["times", "tag"], ascending=[False, True]).groupby("user").head(SEEDS)
    found: dict[int, list[str]] = {}
    for user, tag in zip(counts["user"].tolist(), counts["tag"].tolist(), strict=True):
        found.setdefault(user, []).append(tag)
    return {user: each for user, each in found.items() if len(each) == SEEDS}


def not_tagged(plays: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """What people play and have not tagged: user_key, track_key."""
    tagged = tags[["user", "item"]].drop_duplicates()
    found = plays.merge(tagged, "left", on=["user", "item"], indicator=True)
    found = found[found["_merge"] == "left_only"]
    return found[["user", "item"]].rename(columns={"user": "user_key", "item": "track_key"})


def _listed(keys: NDArray[Any], scores: NDArray[Any]) -> RankedList:
    return RankedList(keys.astype(np.int32), scores.astype(np.float32), np.full(len(keys), -1, np.int32))


def judged(folder: Path) -> tuple[int, PerList]:
    """How many tags there are, and by kind of list the metric of each person who is held out."""
    plays, tags = read(folder)
    taggers = np.unique(tags["user"])
    held_out = np.random.default_rng(SEED).choice(taggers, int(len(taggers) * HELD_OUT), replace=False)
    of_others = plays[~plays["user"].isin(held_out)]
    listeners = of_others.groupby("item").size().sort_index()
    by_tag = lists_of_tags(tags[~tags["user"].isin(held_out)], listeners)
    similar = similar_lists(of_others)
    own_tags = tags[tags["user"].isin(held_out)]
    seeds = seeds_of(own_tags, by_tag)
    relevant = not_tagged(plays[plays["user"].isin(list(seeds))], own_tags)
    popular = listeners.sort_values(ascending=False, kind="stable").index[:LIST_LENGTH].to_numpy(np.int32)
    shown: dict[str, list[tuple[int, int, int]]] = {"from tags": [], "popular": []}
    for user, names in seeds.items():
        supports = [each for place, tag in enumerate(names) for each in of_tag(place, by_tag[tag], similar)]
        lists = {"from tags": ranked(supports, ())[0].track_keys[:LIST_LENGTH], "popular": popular}
        for name, keys in lists.items():
            shown[name] += [(user, rank, key) for rank, key in enumerate(keys.tolist(), 1)]
    frames = {
        name: pd.DataFrame(rows, columns=["user_key", "rank", "track_key"]).astype(np.int32)
        for name, rows in shown.items()
    }
    return len(by_tag), {name: per_user_metrics(each, relevant)[1][HEADLINE] for name, each in frames.items()}


def main() -> None:
    """One line for each kind of list, and the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="Where user_artists.dat, user_taggedartists.dat and tags.dat are.")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    tags, values = judged(chosen.folder)
    people = len(values["popular"])
    told = {"people": people, "tags": tags}
    title = f"{people:,} people, {tags:,} tags, {HEADLINE}"
    tell_beside_popular("from tags", values, told, title, SEED, as_json=chosen.json)


if __name__ == "__main__":
    main()
