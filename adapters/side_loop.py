"""An event loop of its own, on a thread: code that blocks there does not hold up the hub."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread

END_S: Final = 5.0
"""How long the thread may take to end; one that some code blocks is left behind."""
logger = logging.getLogger("adapters.side_loop")

T = TypeVar("T")
P = ParamSpec("P")


class SideLoop:
    """Runs coroutines for callers on other loops."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(_DaemonThreads())
        self._thread = Thread(target=self._serve, name=name, daemon=True)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine that runs over there; who is cancelled here cancels it."""
        return await run_over(work, self._loop)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def stop(self) -> bool:
        """Cancel what is left and end the thread, with what it may take to do so; whether it has ended."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_S)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


class _DaemonThreads(ThreadPoolExecutor):
    """As many threads as there are calls at once, kept for the next ones; the end of the process waits for none."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._free = Semaphore(0)
        self._count = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the future
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        if not self._free.acquire(blocking=False):
            self._count += 1
            Thread(target=self._work, name="side", daemon=True).start()
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job
            self._free.release()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when they have nothing to do any more."""
        for _ in range(self._count):
            self._jobs.put(None)
        self._count = 0


async def run_over(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Wait for a coroutine that runs on another thread's loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


@asynccontextmanager
async def open_side_loop(name: str) -> AsyncGenerator[SideLoop]:
    """A loop that runs until the block ends."""
    loop = SideLoop(name)
    loop.start()
    try:
        yield loop
    finally:
        with anyio.CancelScope(shield=True):
            if not await anyio.to_thread.run_sync(loop.stop):
                logger.warning("%s: some code blocks its event loop; its thread is left behind", name)
