"""What a durable function may not await, though it would not have to wait for it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, cast

import anyio
import pytest

from hub.workflows import NotDurableError
from hub.workflows.guard import no_event_loop
from hub.workflows.primitives import watch_primitives
from hub.workflows.scheduler import Scheduler


@pytest.fixture(autouse=True)
def _watched() -> None:
    watch_primitives()


async def free_lock() -> None:
    async with asyncio.Lock():
        pass


async def free_semaphore() -> None:
    async with asyncio.Semaphore(1):
        pass


async def free_bounded_semaphore() -> None:
    await asyncio.BoundedSemaphore(1).acquire()


async def free_condition() -> None:
    async with asyncio.Condition():
        pass


async def condition_that_holds() -> None:
    await asyncio.Condition().wait_for(lambda: True)


async def set_event() -> None:
    event = asyncio.Event()
    event.set()
    await event.wait()


async def last_at_the_barrier() -> None:
    await asyncio.Barrier(1).wait()


async def room_in_queue() -> None:
    await asyncio.Queue[int](1).put(item=1)


async def filled_queue() -> None:
    queue = asyncio.LifoQueue[int]()
    queue.put_nowait(1)
    await queue.get()


async def finished_queue() -> None:
    await asyncio.PriorityQueue[int]().join()


async def anyio_lock() -> None:
    async with anyio.Lock(fast_acquire=True):
        pass


async def anyio_semaphore() -> None:
    async with anyio.Semaphore(1, fast_acquire=True):
        pass


async def anyio_limiter() -> None:
    async with anyio.CapacityLimiter(1):
        pass


async def anyio_set_event() -> None:
    event = anyio.Event()
    event.set()
    await event.wait()


async def anyio_stream_with_room() -> None:
    sender, receiver = anyio.create_memory_object_stream[int](1)
    with sender, receiver:
        await sender.send(1)


FREE: list[Callable[[], Coroutine[Any, Any, None]]] = [
    free_lock,
    free_semaphore,
    free_bounded_semaphore,
    free_condition,
    condition_that_holds,
    set_event,
    last_at_the_barrier,
    room_in_queue,
    filled_queue,
    finished_queue,
    anyio_lock,
    anyio_semaphore,
    anyio_limiter,
    anyio_set_event,
    anyio_stream_with_room,
]


@pytest.mark.parametrize("awaits", FREE, ids=lambda each: each.__name__)
def test_what_need_not_wait_is_refused_in_durable_code(awaits: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with pytest.raises(NotDurableError, match=r"durable function 'f' awaits .*use `ctx\.sleep` for time"):
        _drive(awaits())


@pytest.mark.parametrize("awaits", FREE, ids=lambda each: each.__name__)
async def test_it_is_what_it_always_was_everywhere_else(awaits: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with anyio.fail_after(5):
        await awaits()


async def test_what_was_read_from_a_socket_already_is_refused_in_durable_code() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"a line\n")

    async def read() -> None:
        await reader.readline()

    with pytest.raises(NotDurableError, match=r"awaits `asyncio\.StreamReader\.readline`"):
        _drive(read())
    assert await reader.readline() == b"a line\n"


async def test_other_threads_may_use_theirs_while_durable_code_runs() -> None:
    def elsewhere() -> None:
        asyncio.run(free_lock())
        done.append("a lock")

    done: list[str] = []
    with no_event_loop("f"):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert done == ["a lock"]


async def test_those_who_wait_get_what_they_wait_for() -> None:
    queue, lock, got = asyncio.Queue[int](), asyncio.Lock(), list[int]()

    async def take() -> None:
        async with lock:
            got.append(await queue.get())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(take)
            group.start_soon(take)
            await queue.put(1)
            await queue.put(2)
    assert got == [1, 2]


def test_asyncio_knows_them_as_coroutine_functions_still() -> None:
    is_coroutine_function: Callable[[object], bool] = cast("Any", asyncio).iscoroutinefunction
    assert is_coroutine_function(asyncio.Lock.acquire)
    assert asyncio.Lock.acquire.__qualname__ == "Lock.acquire"


def _drive(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run it as a part of a durable function."""
    scheduler = Scheduler("f")
    with no_event_loop("f"):
        scheduler.start(coroutine, "f").result()
