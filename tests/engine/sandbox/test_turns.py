"""Who is next at something scarce."""

import asyncio

from engine.sandbox.turns import Turns


class Bench:
    """Everybody who sits down notes their name, and stays until they are let go."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(places)
        self.came: list[str] = []
        self.going: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str) -> None:
        """The owner is the first letter of the name."""
        for name in names:
            self.going[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._sit(name))
        await self._settled()

    async def _sit(self, name: str) -> None:
        async with self.turns.turn(name[0]):
            self.came.append(name)
            await self.going[name].wait()

    async def leave(self, *names: str) -> None:
        for name in names:
            self.going[name].set()
            await self._settled()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await self._settled()

    @staticmethod
    async def _settled() -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_who_has_the_fewest_is_next():
    bench = Bench(2)
    await bench.ask("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    await bench.leave("a1", "a2", "b1", "c1")
    assert bench.came == ["a1", "a2", "b1", "a3", "c1", "b2"]
    await bench.leave("a3", "b2", "a4")
    assert bench.came[-1] == "a4"


async def test_who_gives_up_takes_no_place():
    bench = Bench(1)
    await bench.ask("a1", "a2", "b1", "a3")
    await bench.cancel("b1")
    await bench.cancel("a1")
    assert bench.came == ["a1", "a2"]
    await bench.leave("a2", "a3")
    assert bench.came == ["a1", "a2", "a3"]


async def test_who_is_cancelled_when_the_turn_has_just_come_hands_it_on():
    bench = Bench(1)
    await bench.ask("a1", "b1", "c1")
    bench.going["a1"].set()
    while not bench.tasks["a1"].done():
        await asyncio.sleep(0)
    await bench.cancel("b1")
    assert bench.came[-1] == "c1"
