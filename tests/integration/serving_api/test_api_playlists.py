"""Lists as playlist files, over real HTTP, judged by the schemas of their formats and read back."""

from dataclasses import replace
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import httpx
import jsonschema
import m3u8
import pytest
import xmlschema
from api_client import problem, recommendations, running_api, running_redis
from redis import Redis
from sample_release import sample_release, sample_track

from assets.publish.release import publish
from serving_api.contract import NO_DETAILS

pytestmark = pytest.mark.own_redis

URI = {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:"}
JSPF = {
    "type": "object",
    "required": ["playlist"],
    "additionalProperties": False,
    "properties": {
        "playlist": {
            "type": "object",
            "required": ["track"],
            "additionalProperties": False,
            "properties": {
                **{name: {"type": "string"} for name in ("title", "creator", "annotation")},
                **dict.fromkeys(("info", "location", "identifier", "image", "license"), URI),
                "date": {"type": "string", "format": "date-time"},
                "meta": {
                    "type": "array",
                    "items": {"type": "object", "propertyNames": URI, "additionalProperties": {"type": "string"}},
                },
                "track": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            **{name: {"type": "array", "items": URI} for name in ("location", "identifier")},
                            **{name: {"type": "string"} for name in ("title", "creator", "annotation", "album")},
                            **dict.fromkeys(("info", "image"), URI),
                            **{name: {"type": "integer", "minimum": 0} for name in ("trackNum", "duration")},
                        },
                    },
                },
            },
        }
    },
}
XSPF = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://xspf.org/ns/0/"
  targetNamespace="http://xspf.org/ns/0/" elementFormDefault="qualified">
 <xs:element name="playlist"><xs:complexType><xs:all>
   <xs:element name="title" type="xs:string" minOccurs="0"/>
   <xs:element name="creator" type="xs:string" minOccurs="0"/>
   <xs:element name="date" type="xs:dateTime" minOccurs="0"/>
   <xs:element name="meta" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:simpleContent>
     <xs:extension base="xs:string"><xs:attribute name="rel" type="xs:anyURI" use="required"/></xs:extension>
   </xs:simpleContent></xs:complexType></xs:element>
   <xs:element name="trackList"><xs:complexType><xs:sequence>
     <xs:element name="track" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:all>
       <xs:element name="identifier" type="xs:anyURI" minOccurs="0" maxOccurs="unbounded"/>
       <xs:element name="title" type="xs:string" minOccurs="0"/>
       <xs:element name="creator" type="xs:string" minOccurs="0"/>
       <xs:element name="album" type="xs:string" minOccurs="0"/>
       <xs:element name="duration" type="xs:nonNegativeInteger" minOccurs="0"/>
     </xs:all></xs:complexType></xs:element>
   </xs:sequence></xs:complexType></xs:element>
 </xs:all><xs:attribute name="version" type="xs:positiveInteger" use="required"/></xs:complexType></xs:element>
</xs:schema>"""
NAMESPACE = {"x": "http://xspf.org/ns/0/"}
ODD = 'A "title" & <b>,\r\n\x00\x0b\u2028 Ночь'
MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"


@pytest.fixture
def odd_api(client: Redis, redis_url: str) -> Any:
    """Track 3 has whatever a track can have, and a title that no format can hold as it is."""
    release = sample_release()
    details = NO_DETAILS._replace(album="Low <Tide>", duration_ms=214_400, isrc="FIABC2600042")

    def tracks() -> Any:
        for batch in release.tracks():
            yield [
                track._replace(title=ODD, artist="A & B", recording_mbid=MBID, details=details)
                if track.track_key == 3
                else track
                for track in batch
            ]

    publish(client, replace(release, tracks=tracks))
    with running_api(redis_url) as api:
        yield api


def whole(api: httpx.Client, user_id: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = recommendations(api, user_id, limit=100)["items"]
    return listed


def playlist(api: httpx.Client, user_id: str, name: str, **query: Any) -> httpx.Response:
    answer = api.get(f"/v1/users/{user_id}/playlists/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def urn(track_id: str) -> str:
    return f"urn:audotics:track:{track_id}"


def listener_of_track_3(api: httpx.Client) -> str:
    users = (f"user_{number}" for number in range(50))
    return next(user_id for user_id in users if "t-3" in {item["track_id"] for item in whole(api, user_id)})


def test_a_jspf_playlist_fits_its_schema_and_is_the_list(odd_api: httpx.Client) -> None:
    user_id = listener_of_track_3(odd_api)
    answer = playlist(odd_api, user_id, "for_you.jspf")
    assert answer.headers["content-type"] == "application/jspf+json"
    document = answer.json()
    jsonschema.validate(document, JSPF, format_checker=jsonschema.FormatChecker())
    tracks = document["playlist"]["track"]
    listed = whole(odd_api, user_id)
    assert [track["identifier"][-1] for track in tracks] == [urn(item["track_id"]) for item in listed]
    assert [track["title"] for track in tracks] == [item["title"] for item in listed]
    odd = next(track for track in tracks if track["title"] == ODD)
    assert odd["identifier"][:2] == [f"https://musicbrainz.org/recording/{MBID}", "isrc:FIABC2600042"]
    assert (odd["album"], odd["duration"]) == ("Low <Tide>", 214_400)
    assert {"urn:audotics:source": "personal"} in document["playlist"]["meta"]


def test_an_xspf_playlist_fits_its_schema_and_is_the_list(odd_api: httpx.Client) -> None:
    user_id = listener_of_track_3(odd_api)
    answer = playlist(odd_api, user_id, "for_you.xspf")
    assert answer.headers["content-type"] == "application/xspf+xml"
    xmlschema.XMLSchema11(XSPF).validate(BytesIO(answer.content))
    root = ElementTree.fromstring(answer.content)
    tracks = root.findall("x:trackList/x:track", NAMESPACE)
    listed = whole(odd_api, user_id)
    assert [track.findall("x:identifier", NAMESPACE)[-1].text for track in tracks] == [
        urn(item["track_id"]) for item in listed
    ]
    assert 'A "title" & <b>,  Ночь' in [track.findtext("x:title", None, NAMESPACE) for track in tracks]
    assert root.findtext("x:date", None, NAMESPACE) == "2026-11-22T03:30:00Z"


def test_an_m3u_playlist_is_read_as_the_list_line_by_line(odd_api: httpx.Client) -> None:
    user_id = listener_of_track_3(odd_api)
    answer = playlist(odd_api, user_id, "for_you.m3u8")
    assert answer.headers["content-type"] == "audio/mpegurl; charset=utf-8"
    lines = answer.content.decode().split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("#EXTM3U", "", 2 + 2 * len(whole(odd_api, user_id)) + 1)
    segments = m3u8.loads(answer.content.decode()).segments
    assert len(segments) == len(whole(odd_api, user_id))
    odd = next(segment for segment in segments if segment.uri.endswith(MBID))
    assert (odd.duration, odd.title[:6]) == (214, "A & B ")
    assert segments[0].duration == (214 if segments[0] is odd else -1)


def test_a_playlist_stands_in_as_the_list_does_and_says_so(api: httpx.Client) -> None:
    document = playlist(api, "nobody", "discover.jspf", limit=3).json()["playlist"]
    assert [track["identifier"][-1] for track in document["track"]] == [urn(f"t-{key}") for key in (39, 38, 37)]
    assert {"urn:audotics:fallback_reason": "unknown_user"} in document["meta"]
    left = playlist(api, "nobody", "discover.jspf", limit=1, exclude="t-39").json()["playlist"]["track"]
    assert left[0]["title"] == sample_track("first", 38).title


def test_what_is_not_a_playlist_is_refused_and_what_is_known_is_not_sent_again(api: httpx.Client) -> None:
    for name, field in (("best.xspf", "path.slate"), ("for_you.pls", "path.playlist_format")):
        body = problem(api.get(f"/v1/users/user_7/playlists/{name}"), 422, "invalid-request")
        assert [error["field"] for error in body["errors"]] == [field]
    problem(api.get("/v1/users/user_7/playlists/for_you"), 404, "about:blank")
    etag = playlist(api, "user_7", "for_you.xspf").headers["etag"]
    path = "/v1/users/user_7/playlists/for_you.xspf"
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_without_redis_a_playlist_is_of_what_was_popular() -> None:
    with running_redis() as (server, url), running_api(url) as api:
        server.kill()
        server.wait()
        answer = playlist(api, "user_7", "for_you.jspf")
        assert answer.headers["cache-control"] == "no-store"
        assert {"urn:audotics:fallback_reason": "store_unavailable"} in answer.json()["playlist"]["meta"]
