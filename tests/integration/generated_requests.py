"""Requests that Schemathesis makes up from the API's own description, and what is wrong with the answers."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode, checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.errors import FailureGroup

# What exists in the release that is read (`searchable_release`), so that not every made-up request ends in a 404.
KNOWN = {
    "user_id": ("user_7", "user_0", "new_1"),
    "track_id": ("t-1-first", "t-7-first", "track-of-before"),
    "artist_id": ("a-1-first", "a-3-first"),
    "item_id": ("t-1-first", "a-1-first"),
}
checks.load_all_checks()
# JSON Schema cannot say what several fields must be together, so some of what it allows is refused. Who is let in is
# said by those who ask as somebody, or as nobody.
_LEFT_OUT = [checks.positive_data_acceptance, checks.ignored_auth]
_RARE = settings(
    deadline=None,
    database=None,
    # The same requests each time.
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)

Judge = Callable[[Case, Response], str | None]
"""Says what is wrong with an answer that the description allows."""


@dataclass
class Seen:
    """What came of generated requests."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation and status."""
    faults: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of each kind of fault of each operation, the first example."""

    def statuses(self, operation: str | None = None) -> set[int]:
        """Those of an operation, or of all."""
        return {status for label, status in self.answers if operation in (None, label)}

    def add(self, case: Case, answer: Response, kind: str, told: object) -> None:
        """Keep a fault, if it is the first of its kind."""
        asked = f"{answer.request.method} {answer.request.url} {(answer.request.body or b'')[:500]!r}"
        self.faults.setdefault(
            (case.operation.label, kind), f"{told}\n{asked}\n{answer.status_code} {answer.text[:500]}"
        )


def operations(url: str, *, credentials: bool = True) -> list[APIOperation]:
    """All that the description names; whether to make up credentials for them as well."""
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": credentials}})
    return [
        found.ok() for found in schemathesis.openapi.from_url(f"{url}/openapi.json", config=config).get_all_operations()
    ]


def ask(url: str, count: int, headers: dict[str, str] | None = None, judge: Judge = lambda case, answer: None) -> Seen:
    """Send `count` requests or a few more to all operations in turn, a third of them against the description.

    Where `headers` do not say who asks, some requests have made-up credentials, and others none.
    """
    seen = Seen()
    described = operations(url, credentials=headers is None)
    # Of those without parameters there is one request each.
    share = -(-count // (3 * sum(_varies(each) for each in described)))
    with requests.Session() as session:
        for operation in described:
            for mode, examples in ((GenerationMode.POSITIVE, 2 * share), (GenerationMode.NEGATIVE, share)):
                if mode is GenerationMode.POSITIVE or _varies(operation):
                    _send(operation, mode, examples, session, headers or {}, judge, seen)
    return seen


def _varies(operation: APIOperation) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def _send(
    operation: APIOperation,
    mode: GenerationMode,
    examples: int,
    session: requests.Session,
    headers: dict[str, str],
    judge: Judge,
    seen: Seen,
) -> None:
    @settings(_RARE, max_examples=examples)
    @given(st.one_of(*_strategies(operation, mode)))
    def send(case: Case) -> None:
        answer = case.call(session=session, headers=headers)
        seen.answers[operation.label, answer.status_code] += 1
        try:
            case.validate_response(answer, excluded_checks=_LEFT_OUT, headers=headers)
        except FailureGroup as faults:
            for fault in faults.exceptions:
                # To refuse a request by its length is to refuse it.
                refused = answer.status_code == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                if "negative_data_rejection" in fault.checks and (refused or _is_valid_as_sent(case, answer)):
                    continue
                seen.add(case, answer, type(fault).__name__, fault)
        if told := judge(case, answer):
            seen.add(case, answer, "judged", told)

    send()


def _is_valid_as_sent(case: Case, answer: Response) -> bool:
    """Whether only the types of a query were wrong, which text does not have: 0.0 is as good an id as any."""
    assert case.meta is not None
    if any(case.meta.is_negative_at(place) for place in (ParameterLocation.PATH, ParameterLocation.BODY)):
        return False
    sent = parse_qs(urlsplit(str(answer.request.url)).query, keep_blank_values=True)
    return all(
        any(parameter.get_validator().is_valid(reading) for reading in _readings(sent[parameter.name]))
        if parameter.name in sent
        else not parameter.is_required
        for parameter in case.operation.query
    )


def _readings(values: list[str]) -> Iterator[object]:
    """What the values of a parameter may be taken for: a list, or the last one as text or as JSON."""
    yield values
    yield values[-1]
    with suppress(ValueError):
        yield json.loads(values[-1])


def _strategies(operation: APIOperation, mode: GenerationMode) -> Iterator[st.SearchStrategy[Case]]:
    """All that may be asked, and what is asked of ids that there are."""
    yield operation.as_strategy(generation_mode=mode)
    names = [each.name for each in operation.path_parameters if each.name in KNOWN]
    if names:
        for number in range(max(len(KNOWN[name]) for name in names)):
            fixed = {name: KNOWN[name][number % len(KNOWN[name])] for name in names}
            yield operation.as_strategy(generation_mode=mode, path_parameters=fixed)
