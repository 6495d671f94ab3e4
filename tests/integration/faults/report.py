"""What clients saw, in a row for each fault."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from faults.campaign import Fault, Phase
from faults.clients import Seen
from faults.judge import faults_of

COLUMNS = (
    "fault", "s", "requests", "personal", "others", "fell back", "refused", "ready/not", "wrong", "mixed",
    "unexpected", "slow", "longest without s", "p50 ms", "p99 ms",
)  # fmt: skip

SLOW_SHARE = 0.02
"""Of the answers of a phase, so many at most may fall back or be refused for slowness alone, with nothing broken."""
_BY_DESIGN = ("unknown_user", "empty_slate", "previous_release")


@dataclass(frozen=True)
class Row:
    """What was seen of one fault."""

    fault: str
    seconds: float
    requests: int
    personal: int
    """Right answers that are of one user: lists, home screens, batches, pages."""
    others: int
    """Right answers besides: popular lists, searches, blocks."""
    by_design: Counter[str]
    """Right lists that are not the user's own, or not of the live release, by reason."""
    fell_back: Counter[str]
    refused: Counter[str]
    """By status and type of problem."""
    ready: int
    not_ready: int
    wrong: int
    mixtures: int
    unexpected: int
    slow: int
    """Answers that fell back or were refused after half a second or more, with nothing broken."""
    blocks: Counter[str]
    """Changes of blocks over HTTP, by how they were answered."""
    longest_without: float
    """Seconds from one right answer, of any client, to the next; /readyz does not count."""
    p50_ms: float
    p99_ms: float
    faults: tuple[str, ...]
    """What was not right, in words."""
    unseen: frozenset[str]
    """Answers that show the fault, and did not come: it did not happen, or met no request."""

    @property
    def cells(self) -> tuple[str, ...]:
        """As a table shows it."""
        return (
            self.fault,
            f"{self.seconds:.1f}",
            f"{self.requests:,}",
            f"{self.personal:,}",
            f"{self.others:,}",
            f"{self.fell_back.total():,}",
            f"{self.refused.total():,}",
            f"{self.ready}/{self.not_ready}",
            str(self.wrong),
            str(self.mixtures),
            str(self.unexpected),
            str(self.slow),
            f"{self.longest_without:.2f}",
            f"{self.p50_ms:.0f}",
            f"{self.p99_ms:.0f}",
        )

    @property
    def reasons(self) -> str:
        """Why answers were not personal, by reason."""
        named = {
            "fell back": self.fell_back,
            "refused": self.refused,
            "by design": self.by_design,
            "blocks": self.blocks,
        }
        return "; ".join(f"{name}: {_counts(found)}" for name, found in named.items() if found)


def row_of(fault: Fault, phase: Phase) -> Row:
    """The row of a fault."""
    lists = [seen for seen in phase.seen if seen.kind != "ready"]
    probes = [seen for seen in phase.seen if seen.kind == "ready"]
    words = Counter(seen.verdict.word for seen in phase.seen)
    right = [seen for seen in lists if seen.verdict.word == "right"]
    personal = sum(seen.kind in ("personal", "home", "batch", "page") for seen in right)
    hits = [phase.begun, *sorted(seen.ended for seen in right), phase.ended]
    took = sorted((seen.ended - seen.begun) * 1000 for seen in lists)
    said = {seen.verdict.what for seen in phase.seen} | {f"{seen.kind} {seen.verdict.what}" for seen in phase.seen}
    return Row(
        fault=phase.name,
        seconds=phase.ended - phase.begun,
        requests=len(lists),
        personal=personal,
        others=len(right) - personal,
        by_design=Counter(seen.verdict.what for seen in right if seen.verdict.what in _BY_DESIGN),
        fell_back=Counter(seen.verdict.what for seen in lists if seen.verdict.word == "fallback"),
        refused=Counter(seen.verdict.what for seen in lists if seen.verdict.word == "refused"),
        ready=sum(seen.verdict.word == "right" for seen in probes),
        not_ready=sum(seen.verdict.word == "refused" for seen in probes),
        wrong=words["wrong"],
        mixtures=words["mixture"],
        unexpected=words["unexpected"],
        slow=words["slow"],
        blocks=Counter(_answered(seen) for seen in lists if seen.kind == "block"),
        longest_without=max(later - earlier for earlier, later in pairwise(hits)),
        p50_ms=_percentile(took, 0.5),
        p99_ms=_percentile(took, 0.99),
        faults=(
            *([f"failed: {phase.failure}"] if phase.failure else []),
            *_too_slow(words["slow"], len(phase.seen)),
            *faults_of(seen.verdict for seen in phase.seen),
        ),
        unseen=fault.leaves - said,
    )


def rows_of(faults: Sequence[Fault], phases: Iterable[Phase]) -> list[Row]:
    """The rows of all that happened."""
    return [row_of(fault, phase) for fault, phase in zip(faults, phases, strict=False)]


def _answered(seen: Seen) -> str:
    return "204" if seen.verdict.word == "right" else seen.verdict.what


def _too_slow(slow: int, answers: int) -> list[str]:
    if slow <= SLOW_SHARE * answers:
        return []
    return [f"slow: {slow} of {answers} answers fell back or were refused with nothing broken"]


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in found.most_common())
