"""One builder at a time for what the tests keep in the checkout's `.cache`."""

import fcntl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"


@contextmanager
def held_lock(path: Path) -> Generator[None]:
    """Hold an exclusive lock on a file, across processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def built_once(folder: Path, fingerprint: str, build: Callable[[], None]) -> Path:
    """Have `build` fill `folder`, unless it was already filled for the same fingerprint.

    The mark is written last, so a build that was cut off is made again.
    """
    mark = folder / ".fingerprint"
    with held_lock(folder.with_name(folder.name + ".lock")):
        if not mark.exists() or mark.read_text() != fingerprint:
            build()
            mark.write_text(fingerprint)
    return folder
