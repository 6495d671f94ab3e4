"""Asks together what many requests ask for at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Ask = TypeVar("_Ask")
_Answer = TypeVar("_Answer")


class Batches(Generic[_Ask, _Answer]):
    """Collects what is asked while an answer is under way, and then reads all of it at once.

    Whoever asks alone is answered as fast as without; of many who ask at once, all share one round trip. `read` answers
    in the order of what is asked, with an error in the place of an answer that there is not; what it raises, all of its
    batch get. `size_seen` is told how many each batch answers.
    """

    def __init__(
        self,
        read: Callable[[Sequence[_Ask]], Awaitable[Sequence[_Answer | Exception]]],
        size_seen: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._read = read
        self._size_seen = size_seen
        self._open: _Batch[_Ask, _Answer] | None = None
        self._last: asyncio.Task[Sequence[_Answer | Exception]] | None = None

    async def ask(self, asked: _Ask) -> _Answer:
        """The answer to one of the batch."""
        if self._open is None:
            self._open = _Batch()
            self._open.answers = self._last = asyncio.create_task(self._answered(self._open, self._last))
        batch = self._open
        place = len(batch.asked)
        batch.asked.append(asked)
        # A caller that goes away must not take the others' answers along.
        answer = (await asyncio.shield(batch.answers))[place]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _answered(
        self, batch: "_Batch[_Ask, _Answer]", before: "asyncio.Task[Sequence[_Answer | Exception]] | None"
    ) -> Sequence[_Answer | Exception]:
        if before is not None:
            await asyncio.wait([before])
        self._open = None
        self._size_seen(len(batch.asked))
        return await self._read(batch.asked)


class _Batch(Generic[_Ask, _Answer]):
    answers: "asyncio.Task[Sequence[_Answer | Exception]]"

    def __init__(self) -> None:
        self.asked: list[_Ask] = []
