"""Many requests at once share a round trip, and none of them another's fate."""

import asyncio
from collections.abc import Sequence

import pytest

from serving_api.batches import Batches


class Reader:
    """Answers a number with its double and 13 with an error; notes what was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def read(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.asked.append(list(numbers))
        await self.may_answer.wait()
        if 99 in numbers:
            raise ConnectionError("nothing can be read")
        return [ValueError("unlucky") if number == 13 else 2 * number for number in numbers]


def test_who_asks_while_an_answer_is_under_way_is_answered_together_with_the_others() -> None:
    async def run() -> None:
        reader = Reader()
        batches = Batches(reader.read)
        first = asyncio.create_task(batches.ask(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert reader.asked == [[1]], "who asks alone does not wait for others"
        rest = [asyncio.create_task(batches.ask(number)) for number in (2, 13, 3)]
        await asyncio.sleep(0.01)
        assert reader.asked == [[1]]
        reader.may_answer.set()
        assert await first == 2
        found = await asyncio.gather(*rest, return_exceptions=True)
        assert reader.asked == [[1], [2, 13, 3]]
        assert [found[0], found[2]] == [4, 6]
        assert isinstance(found[1], ValueError)

    asyncio.run(run())


def test_what_a_read_raises_all_of_its_batch_get_and_the_next_batch_is_read() -> None:
    async def run() -> None:
        reader = Reader()
        reader.may_answer.set()
        batches = Batches(reader.read)
        failed = await asyncio.gather(batches.ask(1), batches.ask(99), return_exceptions=True)
        assert [type(each) for each in failed] == [ConnectionError, ConnectionError]
        assert await batches.ask(5) == 10

    asyncio.run(run())


def test_a_caller_that_goes_away_takes_nothing_from_the_others() -> None:
    async def run() -> None:
        reader = Reader()
        batches = Batches(reader.read)
        gone, waiting = (asyncio.create_task(batches.ask(number)) for number in (1, 2))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        reader.may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert await waiting == 4
        assert reader.asked == [[1, 2]]

    asyncio.run(run())
