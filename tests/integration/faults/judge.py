"""Whether an answer is right, by what is known of releases and blocks, and by what the documentation promises."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from faults.known import NOTHING, Blocked, Expected, KnownRelease, markers_of, shown_of
from faults.timeline import Disturbance, History, Timeline

Kind = Literal["personal", "list", "popular", "home", "batch", "search", "page", "block", "ready"]
Word = Literal["right", "fallback", "refused", "slow", "wrong", "mixture", "unexpected"]
WRONG = frozenset({"wrong", "mixture", "unexpected"})

# Only a Redis that did not answer for that long is given up. Where the campaign broke nothing, it is the load of the
# machine; such answers are counted, and too many of them fail a phase.
GIVEN_UP_AFTER_SECONDS = 0.5
SILENT = frozenset({"store-unavailable", "no-live-release"})
# What has no fallback while the store does not answer. A page by cursor would repeat and skip items with another list.
WITHOUT_FALLBACK: dict[Kind, frozenset[str]] = {
    "search": SILENT | {"search-not-ready"},
    "page": SILENT,
    "block": SILENT,
    "ready": SILENT,
}


@dataclass(frozen=True)
class Asked:
    """A request, and what its answer depends on."""

    kind: Kind
    path: str
    users: tuple[str, ...] = ()
    slate: str = "for_you"
    limit: int = 20
    country: str | None = None
    body: dict[str, Any] | None = None
    with_key: bool = True
    """Whether its caller has an API key, and not a token."""
    pinned: str | None = None
    """The release that its cursor names."""
    passed: int = 0
    """The items on the pages before."""
    found: str = ""
    """The track that a search must find first."""


class Answer(NamedTuple):
    """What came, and between which instants, in monotonic seconds."""

    status: int
    body: Any
    begun: float
    ended: float

    @property
    def slug(self) -> str:
        """The kind of problem that it is."""
        kind = self.body.get("type", "") if isinstance(self.body, dict) else ""
        return str(kind).rpartition(":")[2]


class Verdict(NamedTuple):
    """What an answer is, and in a word what it was made of or why it is not right."""

    word: Word
    what: str


@dataclass
class Judge:
    """Knows every release, who has blocked what, and what happened when."""

    history: History = field(default_factory=History)
    releases: dict[str, KnownRelease] = field(default_factory=dict)
    blocked: dict[str, Timeline[Blocked]] = field(default_factory=dict)

    def verdict(self, asked: Asked, answer: Answer) -> Verdict:
        """Whether an answer is one of those that may be."""
        met = self.history.disturbance(answer.begun, answer.ended)
        if answer.status != (204 if asked.kind == "block" else 200):
            return self._of_refusal(asked, answer, met)
        found = self._of_content(asked, answer, met)
        reached = met is None or not met.covers(answer.begun, answer.ended)
        # A Redis that has lost its data takes changes before it has a release.
        taken = asked.kind == "block" and met is not None and met.keys_lost
        if found.word == "right" and not (reached or taken):
            return Verdict("wrong", f"{asked.path} is answered by a store that cannot be reached")
        return found

    def _of_refusal(self, asked: Asked, answer: Answer, met: Disturbance | None) -> Verdict:
        what = f"{answer.status} {answer.slug}"
        slow = answer.ended - answer.begun >= GIVEN_UP_AFTER_SECONDS
        if answer.status == 503:
            allowed = WITHOUT_FALLBACK.get(asked.kind, frozenset())
            full = asked.kind == "block" and True in self.history.full.between(answer.begun, answer.ended)
            # A process may have to open the index of a release that has just gone live.
            if answer.slug in allowed and (met is not None or full or answer.slug == "search-not-ready"):
                return Verdict("refused", what)
            if answer.slug in allowed and slow:
                return Verdict("slow", what)
        elif answer.status == 401:
            if asked.with_key and met is not None and met.keys_lost:
                return Verdict("refused", what)
        elif answer.status == 410 and asked.pinned is not None:
            kept = self.history.kept_between(answer.begun, answer.ended)
            if any(asked.pinned not in names for names in kept):
                return Verdict("refused", what)
        return Verdict("unexpected", f"{asked.path}: {what}")

    def _of_content(self, asked: Asked, answer: Answer, met: Disturbance | None) -> Verdict:
        body = answer.body
        if asked.kind in ("ready", "block"):
            return Verdict("right", asked.kind)
        documents = body["lists"] if asked.kind == "batch" else [body]
        if len({document["release"] for document in documents}) > 1 or len(markers_of(body)) > 1:
            return Verdict("mixture", f"{asked.path}: of {sorted(markers_of(body))}")
        users = asked.users or (None,)
        if len(users) != len(documents):
            return Verdict("wrong", f"{asked.path}: {len(documents)} lists for {len(users)} users")
        verdicts = []
        for user_id, document in zip(users, documents, strict=True):
            if user_id is not None and document["user_id"] != user_id:
                return Verdict("wrong", f"{asked.path}: the list of {document['user_id']} for {user_id}")
            verdicts.append(self._of_document(asked, user_id, document, answer, met))
        # One list of a batch that is not right makes all of it so.
        order = ("mixture", "wrong", "unexpected", "slow", "refused", "fallback", "right")
        return min(verdicts, key=lambda each: order.index(each.word))

    def _of_document(
        self, asked: Asked, user_id: str | None, document: Mapping[str, Any], answer: Answer, met: Disturbance | None
    ) -> Verdict:
        release = self.releases.get(document["release"])
        if release is None:
            return Verdict("wrong", f"{asked.path}: unknown release {document['release']}")
        if markers_of(document) - {release.marker}:
            return Verdict("mixture", f"{asked.path}: {release.marker} with {sorted(markers_of(document))}")
        blocked = self._blocked(user_id, answer)
        if _unavailable(asked, document):
            slow = answer.ended - answer.begun >= GIVEN_UP_AFTER_SECONDS
            may_be = [release.popular(None, each) for each in [*blocked, NOTHING]]
            items = _fallback_items(asked, document)
            right = release.name in self.history.seen_before(answer.ended) and any(
                items == each[: asked.limit] for each in may_be
            )
            if right and (met is not None or slow):
                return Verdict("slow" if met is None else "fallback", "store_unavailable")
            return Verdict("wrong", f"{asked.path}: falls back, {'rightly' if right else 'with a wrong list'}")
        if not self._may_be_read(asked, release.name, document, answer):
            return Verdict("wrong", f"{asked.path}: of {release.marker}, which was not live")
        found = next(
            (what for each in blocked if (what := _as_expected(asked, user_id, document, release, each))), None
        )
        return Verdict("right", found) if found else Verdict("wrong", f"{asked.path}: not the list of {release.marker}")

    def _may_be_read(self, asked: Asked, name: str, document: Mapping[str, Any], answer: Answer) -> bool:
        if asked.pinned is not None:
            kept = self.history.kept_between(answer.begun, answer.ended)
            return name == asked.pinned and any(name in names for names in kept)
        if document.get("fallback_reason") == "previous_release":
            return any(name in names for names in self.history.kept_between(answer.begun, answer.ended))
        return name in self.history.live_between(answer.begun, answer.ended)

    def _blocked(self, user_id: str | None, answer: Answer) -> list[Blocked]:
        timeline = self.blocked.get(user_id) if user_id is not None else None
        return timeline.between(answer.begun, answer.ended) if timeline is not None else [NOTHING]


def _unavailable(asked: Asked, document: Mapping[str, Any]) -> bool:
    if asked.kind == "home":
        return any(each["reason"] == "store_unavailable" for each in document["left_out"])
    return document.get("fallback_reason") == "store_unavailable"


def _fallback_items(asked: Asked, document: Mapping[str, Any]) -> Any:
    if asked.kind != "home":
        return shown_of(document["items"])
    shelves = [each for each in document["shelves"] if each["slate"] == "popular"]
    left = {each["slate"] for each in document["left_out"]}
    whole = len(document["shelves"]) == 1 and left == {"for_you", "discover", "rediscover"}
    return shown_of(shelves[0]["items"]) if whole and shelves else None


def _as_expected(
    asked: Asked, user_id: str | None, document: Mapping[str, Any], release: KnownRelease, blocked: Blocked
) -> str | None:
    """What a document is, if it is what a release has for the user; None where it is something else."""
    if asked.kind == "search":
        # What is found besides has a name that is like it.
        items = document["items"]
        fallback = document["fallback_reason"]
        first = bool(items) and items[0]["track_id"] == asked.found and items[0]["title"].endswith(release.marker)
        return (fallback or "search") if first and fallback in (None, "previous_release") else None
    if asked.kind == "home":
        assert user_id is not None
        shelves = {each["slate"]: shown_of(each["items"]) for each in document["shelves"]}
        return "personal" if shelves == release.home(user_id, asked.limit, blocked) else None
    if user_id is None:
        expected = Expected("popular", None, asked.country, None, release.popular(asked.country, blocked))
    else:
        expected = release.list_of(user_id, asked.slate, blocked)
    window = expected.items[asked.passed : asked.passed + asked.limit]
    told = (document["source"], document["fallback_reason"], document["country"], document.get("model_version"))
    if told != expected[:4] or shown_of(document["items"]) != window:
        return None
    return expected.fallback_reason or expected.source


def faults_of(verdicts: Iterable[Verdict]) -> list[str]:
    """What of all was not right, in words."""
    return [f"{each.word}: {each.what}" for each in verdicts if each.word in WRONG]
