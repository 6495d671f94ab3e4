"""A list as a playlist file: JSPF, XSPF or M3U, for players and services that read those."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import quote

import orjson

PlaylistFormat = Literal["jspf", "xspf", "m3u8"]

MEDIA_TYPES: Mapping[PlaylistFormat, str] = {
    "jspf": "application/jspf+json",
    "xspf": "application/xspf+xml",
    "m3u8": "audio/mpegurl; charset=utf-8",
}
_XSPF = "http://xspf.org/ns/0/"
_RECORDING = "https://musicbrainz.org/recording/"
# XML has no way to write most of these, and to some readers a line of M3U ends at the others.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]+")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}\d{7}")


def playlist(chosen: PlaylistFormat, listed: Mapping[str, Any]) -> bytes:
    """A list in one of the formats; listed: the document that the API answers with, read back from JSON.

    Players find a track by its identifiers: the MusicBrainz recording and the ISRC where they are known, and always the
    id that apps know it by.
    """
    return _WRITERS[chosen](f"{listed['slate']} for {listed['user_id']}", listed)


def _identifiers(item: Mapping[str, Any]) -> list[str]:
    known = [f"{_RECORDING}{mbid}"] if (mbid := item["recording_mbid"]) else []
    if item["isrc"] and _ISRC.fullmatch(item["isrc"]):
        known.append(f"isrc:{item['isrc']}")
    return [*known, f"urn:audotics:track:{quote(item['track_id'], safe='')}"]


def _meta(listed: Mapping[str, Any]) -> list[dict[str, str]]:
    told = ("release", "as_of", "stale_reason", "source", "fallback_reason", "model_version")
    return [{f"urn:audotics:{name}": str(listed[name])} for name in told if listed.get(name) is not None]


def _jspf(title: str, listed: Mapping[str, Any]) -> bytes:
    tracks = []
    for item in listed["items"]:
        told = {
            "identifier": _identifiers(item),
            "title": item["title"],
            "creator": item["artist"],
            "album": item["album"],
            "duration": item["duration_ms"],
        }
        tracks.append({name: value for name, value in told.items() if value is not None})
    document = {"title": title, "creator": "Audotics", "date": listed["generated_at"], "meta": _meta(listed)}
    return orjson.dumps({"playlist": {**document, "track": tracks}})


def _xspf(title: str, listed: Mapping[str, Any]) -> bytes:
    ET.register_namespace("", _XSPF)
    root = ET.Element(f"{{{_XSPF}}}playlist", version="1")

    def add(parent: ET.Element, name: str, text: str | None, **attributes: str) -> None:
        if text is not None:
            ET.SubElement(parent, f"{{{_XSPF}}}{name}", attributes).text = _line(text)

    add(root, "title", title)
    add(root, "creator", "Audotics")
    add(root, "date", listed["generated_at"])
    for each in _meta(listed):
        for rel, text in each.items():
            add(root, "meta", text, rel=rel)
    tracks = ET.SubElement(root, f"{{{_XSPF}}}trackList")
    for item in listed["items"]:
        track = ET.SubElement(tracks, f"{{{_XSPF}}}track")
        for identifier in _identifiers(item):
            add(track, "identifier", identifier)
        add(track, "title", item["title"])
        add(track, "creator", item["artist"])
        add(track, "album", item["album"])
        add(track, "duration", str(item["duration_ms"]) if item["duration_ms"] is not None else None)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _m3u8(title: str, listed: Mapping[str, Any]) -> bytes:
    lines = ["#EXTM3U", f"#PLAYLIST:{_line(title)}"]
    for item in listed["items"]:
        seconds = round(item["duration_ms"] / 1000) if item["duration_ms"] is not None else -1
        name = " - ".join(_line(text) for text in (item["artist"], item["title"]) if text)
        lines += [f"#EXTINF:{seconds},{name or _line(item['track_id'])}", _identifiers(item)[0]]
    return "\n".join([*lines, ""]).encode()


def _line(text: str) -> str:
    """A text without what ends a line or cannot be written."""
    return _CONTROLS.sub(" ", text).strip()


_WRITERS: Mapping[PlaylistFormat, Callable[[str, Mapping[str, Any]], bytes]] = {
    "jspf": _jspf,
    "xspf": _xspf,
    "m3u8": _m3u8,
}
