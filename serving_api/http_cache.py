"""JSON answers that clients and proxies can keep and revalidate."""

import hashlib
from typing import Any, Literal

import orjson
from fastapi import Request, Response

from serving_api.observe.noted import note_fallback

Visibility = Literal["public", "private"]

_CACHE_CONTROL: dict[Visibility | None, str] = {
    "public": "public, max-age=60",
    "private": "private, no-cache",
    None: "no-store",
}


def json_answer(request: Request, document: dict[str, Any], *, visibility: Visibility | None) -> Response:
    """Answer with the document, or with 304 when the client already has it.

    `visibility` is who may keep the answer: `public`, for a minute; `private`, and then asks each time whether it still
    holds, as what the user has blocked must be gone from the next request on; or None for nobody.
    """
    if reason := document.get("fallback_reason"):
        note_fallback(request.scope, reason)
    return bytes_answer(request, json_bytes(document), "application/json", visibility=visibility)


def json_bytes(document: dict[str, Any]) -> bytes:
    """A document as JSON: times in UTC, scores with the digits that they have."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def bytes_answer(request: Request, body: bytes, media_type: str, *, visibility: Visibility | None) -> Response:
    """Answer with these bytes, or with 304 when the client already has them; `visibility` as in `json_answer`."""
    # Weak, because the same document may be sent gzipped or not.
    etag = f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": _CACHE_CONTROL[visibility]}
    if _has(request.headers.get("if-none-match"), etag):
        # Of a whole answer, the middleware that may zip it says so.
        return Response(status_code=304, headers=headers | {"Vary": "Accept-Encoding"})
    return Response(body, headers=headers, media_type=media_type)


def _has(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison of RFC 9110, section 8.8.3.2."""
    if if_none_match is None:
        return False
    known = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known
