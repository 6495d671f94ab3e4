"""A made-up catalogue in several scripts, most popular first, and releases that can be searched."""

from collections.abc import Sequence
from dataclasses import replace

from sample_release import sample_release

from assets.lookup.index import Name, built_index
from assets.publish.content import ReleaseInput
from serving_api.contract import Artist, SearchKind, Track, search_entries

# Of each artist their name and titles, the artists most popular first; an artist comes before their titles.
CATALOGUE: dict[str, list[str]] = {
    "The Velvet Otters": ["Thunder Alley", "Otter Love", "Come Back, Marianne", "The"],
    "Beyoncette": ["Halo of Salt", "Déjà Là", "Crazy in Lavender"],
    "Motörfjord": ["Ace of Shovels", "Överkill"],
    "Кинолента": ["Группа тени", "Пачка писем", "Звезда по имени Луна", "Ёлка"],
    "Ελευθερία Θαλάσση": ["Δι' ευχών", "Το τραγούδι της βροχής"],
    "فيروزة": ["نسّم علينا الهوى", "أعطني القمر"],
    "宇多野ヒカリ": ["初めての恋", "桜の雨"],
    "방울소년단": ["봄비", "불꽃놀이"],
    "AB/CD": ["Highway to Hull", "Thunderbolt"],
    "Simon & Garfield": ["The Sound of Slices", "Mrs. Robin"],
    "Radioheart": ["Creak", "Karma Plumber", "No Surprise Parties"],
    "Sigur Rósin": ["Hoppípollur", "Sæglópa"],
    "T.R.E.M.": ["Losing My Recision", "Everybody Hops"],
    "!!!?": ["Pardon My Freeform"],
    "Guns N' Lilies": ["November Drain", "Don't Cry Wolf"],
    "Łona Wolska": ["Gdzie jest mój dom"],
    "Straßenkatze": ["Größer als wir"],
    "2Quark": ["Gravity Love", "٢٠٢٠"],
    "Red": ["Red", "Love"],
    "Lovelace": ["Analytical Engine", "Halo"],
    "Fernando": ["Cañón del Río", "Love"],
}
# Tracks and artists that fewer than three people heard, after all others.
PRIVATE = {"Basement Tapes of Ida": ["Voice memo for Grandma", "Secret Garden Shed"]}


def names(catalogue: dict[str, list[str]] = CATALOGUE, private: dict[str, list[str]] = PRIVATE) -> list[Name]:
    """What the index is made of; keys count up from 0 among tracks and among artists."""
    found: list[Name] = []
    tracks = 0
    for number, (artist, titles) in enumerate((catalogue | private).items()):
        listed = artist in catalogue
        found.append(Name(SearchKind.ARTIST, number, artist, None, listed))
        found += [Name(SearchKind.TRACK, tracks + each, title, artist, listed) for each, title in enumerate(titles)]
        tracks += len(titles)
    return found


def searchable_release(marker: str = "first", found: Sequence[Name] | None = None) -> ReleaseInput:
    """The sample release with these names in place of its own, and their index; the marker is in every id."""
    held = names() if found is None else found
    artists = {each.name: each.key for each in held if each.kind is SearchKind.ARTIST}
    with built_index(held) as (description, archive):
        entries = list(search_entries(description, archive))
    tracks = [
        Track(each.key, f"t-{each.key}-{marker}", each.name, each.artist, f"a-{artists[each.artist]}-{marker}", None)
        for each in held
        if each.kind is SearchKind.TRACK and each.artist is not None
    ]
    return replace(
        sample_release(marker),
        tracks=lambda: iter([tracks]),
        artists=lambda: iter([[Artist(key, f"a-{key}-{marker}", name, None) for name, key in artists.items()]]),
        search=lambda: iter(entries),
    )
