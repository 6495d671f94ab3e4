"""Tokens of an identity provider, and those that attackers make."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import orjson
import pytest
from api_client import document, problem, running_api
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from identity_provider import KeyServer, SigningKey
from redis import Redis
from sample_release import sample_release

from assets.publish.release import publish
from serving_api import models

OWN = "/v1/users/user_7/recommendations"
OTHER = "/v1/users/user_8/recommendations"


@pytest.fixture
def api(client: Redis, redis_url: str, provider: KeyServer) -> Iterator[httpx.Client]:
    publish(client, sample_release())
    with running_api(redis_url, **provider.settings(api_oidc_refetch_seconds=1)) as connected:
        yield connected


def get(api: httpx.Client, path: str, token: str) -> httpx.Response:
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


def encoded(part: Any) -> str:
    raw = part if isinstance(part, bytes) else orjson.dumps(part)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_listener_reads_their_own_list_and_the_catalogue_and_no_other(
    api: httpx.Client, provider: KeyServer, signing: SigningKey
) -> None:
    token = provider.token(signing)
    for _ in range(2):
        assert document(get(api, OWN, token), models.Recommendations)["user_id"] == "user_7"
    assert get(api, "/v1/popular", token).status_code == 200
    refused = get(api, OTHER, token)
    assert (
        problem(refused, 403, "forbidden")["detail"] == "this needs the scope lists:read, unless it is about yourself"
    )
    assert get(api, "/readyz", token).json() == {"status": "ready"}


OTHER_IDS = (
    "user_8",
    "USER_7",
    "user_7%20",
    "%75ser_8",
    "user_7%2F..%2Fuser_8",
    "user_7/../user_8",
    "user_7%00",
    "user_7/recommendations/../../user_8",
    "user%5F8",
    "user_7%C0%AF",
    "user_7%E2%80%8B",
    "..%2Fuser_7",
    "user_8/recommendations?user_id=user_7&x=/v1/users/user_7",
    # No id can have the end of a line in it.
    "user_7%0d%0aX-Evil:%201",
)


def test_no_other_user_id_is_taken_for_their_own(api: httpx.Client, provider: KeyServer, signing: SigningKey) -> None:
    headers = {"Authorization": f"Bearer {provider.token(signing)}"}
    for user in OTHER_IDS:
        target = f"/v1/users/{user}" if "?" in user else f"/v1/users/{user}/recommendations"
        # As it is: a client of good manners would tidy the path up first.
        answer = api.send(httpx.Request("GET", api.base_url.copy_with(raw_path=target.encode()), headers=headers))
        assert answer.status_code == (404 if "%0d" in user else 403), (user, answer.text)
        assert "x-evil" not in answer.headers


def test_their_own_id_may_be_escaped(api: httpx.Client, provider: KeyServer, signing: SigningKey) -> None:
    assert get(api, "/v1/users/%75ser%5F7/recommendations", provider.token(signing)).status_code == 200


def test_scopes_and_roles_open_what_the_table_says(api: httpx.Client, provider: KeyServer, signing: SigningKey) -> None:
    for claims in ({"scope": "openid lists:read"}, {"roles": ["app"]}, {"roles": "reader"}):
        assert get(api, OTHER, provider.token(signing, "backend", **claims)).status_code == 200, claims
    for claims in ({"scope": "lists"}, {"roles": ["admin"]}, {"roles": {"app": 1}}, {"scope": "operate"}):
        assert get(api, OTHER, provider.token(signing, "backend", **claims)).status_code == 403, claims
    document(get(api, "/readyz", provider.token(signing, "ops", roles=["operator"])), models.Ready)


def test_tokens_that_are_not_for_this_api_are_refused(
    api: httpx.Client, provider: KeyServer, signing: SigningKey
) -> None:
    now = int(time.time())
    foreign, other_kind = SigningKey("first"), SigningKey("first", "ES256")
    good = provider.token(signing)
    head, body, signature = good.split(".")
    claims = {"iss": provider.issuer, "aud": "audotics", "sub": "user_7", "exp": now + 60}
    attacks = {
        "expired": provider.token(signing, exp=now - 31),
        "without end": provider.token(signing, exp=None),
        "not yet": provider.token(signing, nbf=now + 60),
        "made in the future": provider.token(signing, iat=now + 60),
        "another audience": provider.token(signing, aud="another"),
        "without audience": provider.token(signing, aud=None),
        "another issuer": provider.token(signing, iss="https://login.example.org"),
        "issuer with a slash": provider.token(signing, iss=f"{provider.issuer}/"),
        "without subject": provider.token(signing, sub=None),
        "another's key under a known id": provider.token(foreign),
        "another kind of key": provider.token(other_kind),
        "without signature": f"{head}.{body}.",
        "another body": f"{head}.{encoded(claims | {'sub': 'user_8'})}.{signature}",
        "none": f"{encoded({'alg': 'none', 'kid': 'first'})}.{body}.",
        "None": f"{encoded({'alg': 'nOnE', 'kid': 'first'})}.{body}.",
        "no algorithm": f"{encoded({'kid': 'first'})}.{body}.{signature}",
        "a list of algorithms": f"{encoded({'alg': ['RS256'], 'kid': 'first'})}.{body}.{signature}",
        "critical": jwt.encode(claims, signing.private, "RS256", {"kid": "first", "crit": ["x"], "x": 1}),
        "key in the token": jwt.encode(claims, foreign.private, "RS256", {"jwk": foreign.jwk, "kid": "own"}),
        "key by address": jwt.encode(claims, foreign.private, "RS256", {"jku": "http://127.0.0.1:1/", "kid": "own"}),
        "key id as a path": jwt.encode(claims, foreign.private, "RS256", {"kid": "../../dev/null"}),
        "key id as a number": f"{encoded({'alg': 'RS256', 'kid': 5})}.{body}.{signature}",
        "nested": f"{encoded(b'[' * 5000)}.{body}.{signature}",
        "not JSON": f"{encoded(b'{')}.{body}.{signature}",
        "not base64": "a.b.c",
        "four parts": f"{good}.x",
        "encrypted": "a.b.c.d.e",
        "empty parts": "..",
    }
    assert get(api, OWN, good).status_code == 200
    for name, token in attacks.items():
        refused = get(api, OWN, token)
        assert refused.status_code == 401, (name, refused.text)
        problem(refused, 401, "not-authenticated")
        assert "not valid" in refused.json()["detail"] and token[:20] not in refused.text, name


def test_the_public_key_is_not_taken_for_a_shared_secret(
    api: httpx.Client, provider: KeyServer, signing: SigningKey
) -> None:
    public = signing.private.public_key()
    secrets = [
        public.public_bytes(encoding, form)
        for encoding in (Encoding.PEM, Encoding.DER)
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)
    ] + [orjson.dumps(signing.jwk), signing.jwk["n"].encode(), b""]
    body = encoded({"iss": provider.issuer, "aud": "audotics", "sub": "user_7", "exp": int(time.time()) + 60})
    for algorithm in ("HS256", "RS256"):
        for secret in secrets:
            signed = f"{encoded({'alg': algorithm, 'kid': 'first'})}.{body}"
            made = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
            problem(get(api, OWN, f"{signed}.{encoded(made)}"), 401, "not-authenticated")


def test_a_shared_secret_among_the_keys_opens_nothing(
    client: Redis, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    provider.keys.insert(0, {"kty": "oct", "kid": "shared", "k": encoded(secret), "alg": "HS256"})
    with running_api(redis_url, **provider.settings()) as api:
        claims = {"iss": provider.issuer, "aud": "audotics", "sub": "user_7", "exp": int(time.time()) + 60}
        problem(get(api, OWN, jwt.encode(claims, secret, "HS256", {"kid": "shared"})), 401, "not-authenticated")
        assert get(api, "/v1/popular", provider.token(signing)).status_code == 503  # nothing is published


def test_a_new_key_is_fetched_once_and_an_old_one_ends(
    api: httpx.Client, provider: KeyServer, signing: SigningKey
) -> None:
    old = provider.token(signing)
    assert get(api, OWN, old).status_code == 200
    time.sleep(1.1)
    second = SigningKey("second", "ES256")
    provider.keys = [second.jwk]
    before = provider.fetches
    token = provider.token(second)
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(lambda _: get(api, OWN, token), range(16))} == {200}
    assert provider.fetches == before + 1
    # What was verified before is verified again, with the keys of now.
    problem(get(api, OWN, old), 401, "not-authenticated")


def test_unknown_key_ids_do_not_make_the_api_ask_again_and_again(
    client: Redis, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    with running_api(redis_url, **provider.settings(api_oidc_refetch_seconds=60)) as api:
        get(api, OWN, provider.token(signing))
        before = provider.fetches
        for number in range(30):
            problem(get(api, OWN, provider.token(SigningKey(f"k{number}", "ES256"))), 401, "not-authenticated")
        assert provider.fetches == before


@pytest.mark.slow
def test_a_silent_provider_stops_nobody_whose_key_is_known(
    api: httpx.Client, client: Redis, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    assert get(api, OWN, provider.token(signing)).status_code == 200
    provider.silent = True
    time.sleep(1.1)
    unknown = provider.token(SigningKey("second", "ES256"))
    refused = get(api, OWN, unknown)
    problem(refused, 503, "access-unavailable")
    assert refused.headers["retry-after"] == "5"
    assert get(api, OWN, provider.token(signing, jti="another")).status_code == 200
    with running_api(redis_url, **provider.settings(api_oidc_refetch_seconds=1)) as begun_in_silence:
        problem(get(begun_in_silence, OWN, provider.token(signing)), 503, "access-unavailable")
        provider.silent = False
        time.sleep(1.1)
        assert get(begun_in_silence, OWN, provider.token(signing)).status_code == 200


@pytest.mark.slow
def test_clocks_may_differ_by_the_setting_and_a_token_ends_when_it_says(
    client: Redis, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    publish(client, sample_release())
    now = int(time.time())
    with running_api(redis_url, **provider.settings(api_oidc_clock_skew_seconds=10)) as api:
        assert get(api, OWN, provider.token(signing, exp=now - 5)).status_code == 200
        assert get(api, OWN, provider.token(signing, iat=now + 5, nbf=now + 5)).status_code == 200
        problem(get(api, OWN, provider.token(signing, exp=now - 15)), 401, "not-authenticated")
    with running_api(redis_url, **provider.settings(api_oidc_clock_skew_seconds=0)) as api:
        short = provider.token(signing, exp=int(time.time()) + 2)
        assert get(api, OWN, short).status_code == 200
        time.sleep(2.1)
        problem(get(api, OWN, short), 401, "not-authenticated")


def test_the_user_id_may_be_another_claim(
    client: Redis, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    publish(client, sample_release())
    with running_api(redis_url, **provider.settings(api_oidc_user_claim="listener_id")) as api:
        assert get(api, OWN, provider.token(signing, "someone", listener_id="user_7")).status_code == 200
        # The subject is not a listener then, and neither is a claim of another type.
        for claims in ({}, {"listener_id": 7}, {"listener_id": ["user_7"]}, {"listener_id": ""}):
            problem(get(api, OWN, provider.token(signing, "user_7", **claims)), 403, "forbidden")


def test_keys_and_tokens_open_only_what_the_setting_lets_in(
    api: httpx.Client, redis_url: str, provider: KeyServer, signing: SigningKey
) -> None:
    problem(get(api, OWN, "aud_4f00aa_secret"), 401, "not-authenticated")
    with running_api(redis_url, api_auth="keys") as keys_only:
        problem(get(keys_only, OWN, provider.token(signing)), 401, "not-authenticated")


@pytest.mark.slow
def test_damaged_key_sets_open_nothing(redis_url: str, provider: KeyServer, signing: SigningKey) -> None:
    halves = [5, {"kty": "RSA", "kid": "first"}, {"kty": "EC", "crv": "P-256", "x": 5, "kid": "first"}]
    with running_api(redis_url, **provider.settings(api_oidc_refetch_seconds=1)) as api:
        for damaged in ([], "keys", {"keys": 5}, {"keys": halves}):
            provider.shown = damaged
            time.sleep(1.05)
            assert get(api, OWN, provider.token(SigningKey("second", "ES256"))).status_code in (401, 503), damaged
