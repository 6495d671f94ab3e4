"""Why somebody is not let in. What is told to them says no more than it must; `cause` is for the audit."""

from typing import ClassVar


class AccessError(Exception):
    """A request that is refused before anything is read for it."""

    status: ClassVar[int]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, cause: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.cause = cause
        self.headers = headers or {}


class WhoError(AccessError):
    """It is not known who calls: no credentials, or ones that are not valid (any more)."""

    status = 401
    slug = "not-authenticated"
    title = "Who calls is not known"

    def __init__(self, cause: str) -> None:
        missing = cause == "missing"
        detail = (
            "send an API key or a token as `Authorization: Bearer ...`, or a key as `X-API-Key: ...`"
            if missing
            else "the key or token is not valid, or no longer"
        )
        challenge = 'Bearer realm="audotics"' + ("" if missing else ', error="invalid_token"')
        super().__init__(detail, cause, {"WWW-Authenticate": challenge})


class ManyCredentialsError(AccessError):
    """More than one key or token: which of them counts would be a guess."""

    status = 400
    slug = "many-credentials"
    title = "More than one key or token"

    def __init__(self) -> None:
        super().__init__("send one key or token, in one header", "many credentials")


class ForbiddenError(AccessError):
    """It is known who calls, and they may not."""

    status = 403
    slug = "forbidden"
    title = "This is not allowed"

    def __init__(self, scope: str, *, own: bool) -> None:
        detail = f"this needs the scope {scope}" + (", unless it is about yourself" if own else "")
        challenge = f'Bearer realm="audotics", error="insufficient_scope", scope="{scope}"'
        super().__init__(detail, "scope", {"WWW-Authenticate": challenge})


class TooManyError(AccessError):
    """More requests than the caller may send."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"

    def __init__(self, seconds: int, headers: dict[str, str]) -> None:
        detail = f"the limit is reached; in {seconds} s there is room again"
        super().__init__(detail, "limit", headers | {"Retry-After": str(seconds)})


class CannotTellError(AccessError):
    """What keys there are is not known at the moment, so that nobody can be told from anybody."""

    status = 503
    slug = "access-unavailable"
    title = "Who calls cannot be found out"

    def __init__(self, cause: str) -> None:
        super().__init__("keys cannot be verified at the moment; try again", cause, {"Retry-After": "5"})


class HostError(AccessError):
    """The request is for a host that this API does not serve."""

    status = 421
    slug = "unknown-host"
    title = "This API does not serve that host"


class OversizedError(AccessError):
    """More header than any caller has reason to send."""

    status = 431
    slug = "oversized-headers"
    title = "The headers are too large"
