"""Connections end one after the other, however many there are."""

import asyncio

from libs.process.goodbyes import Goodbyes
from tests.support.virtual_time import VirtualLoop


def ended_at(count: int, goodbyes: Goodbyes) -> list[float]:
    """When each of *count* connections was ended, in seconds after the beginning."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        began, moments = loop.time(), dict[int, float]()
        await goodbyes.say(range(count), lambda each: moments.setdefault(each, loop.time() - began))
        assert sorted(moments) == list(range(count))
        return sorted(moments.values())

    loop = VirtualLoop()
    try:
        return loop.run(main())
    finally:
        loop.close()


def test_a_thousand_are_spread_over_their_span() -> None:
    """No second sees many more than its share."""
    moments = ended_at(1000, Goodbyes(per_s=100, within_s=60))

    assert 9 < moments[-1] <= 10
    for second in range(10):
        assert 50 < sum(second <= each < second + 1 for each in moments) < 160


def test_they_all_end_in_time_however_many_there_are() -> None:
    """A cluster kills what takes longer than it was given."""
    moments = ended_at(5000, Goodbyes(per_s=100, within_s=10))

    assert 9 < moments[-1] <= 10


def test_few_are_gone_at_once_and_none_is_no_wait() -> None:
    """A laptop stops as fast as before."""
    assert ended_at(3, Goodbyes(per_s=200, within_s=10))[-1] < 0.02
    assert ended_at(0, Goodbyes(per_s=200, within_s=10)) == []
