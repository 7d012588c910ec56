"""Ids of runs, as far as every Dapr takes them.

Dapr's scheduler keeps a job under a name that holds the run's id: it refuses some characters there, and names over 512
bytes, the words around the id included. The embedded sidecar takes any id; what holds on one should hold on the other.
"""

import hashlib
import re
from typing import Final

from hub.errors import InvalidInputError

LONGEST_ID: Final = 200
"""Bytes of UTF-8."""
_UNFIT: Final = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_DIGEST_LENGTH: Final = 32


def check_id(run_id: str) -> str:
    """An id that somebody chose, if it fits.

    Raises:
        InvalidInputError: it does not; the message says how.
    """
    unfit = _UNFIT.search(run_id)
    if unfit is not None:
        raise InvalidInputError(f"run id {run_id[:50]!r}: found {unfit[0]!r}; expected none of / \\ # ? and no control")
    if not run_id or len(run_id.encode()) > LONGEST_ID:
        raise InvalidInputError(f"run id {run_id[:50]!r}: expected 1 to {LONGEST_ID} bytes")
    return run_id


def fitting_id(made: str) -> str:
    """An id that was made from names: as it stands if it fits, else what fits of it with a digest of all of it."""
    plain = _UNFIT.sub("_", made)
    if plain == made and len(made.encode()) <= LONGEST_ID:
        return made
    digest = hashlib.sha256(made.encode()).hexdigest()[:_DIGEST_LENGTH]
    begin = plain.encode()[: LONGEST_ID - _DIGEST_LENGTH - 1].decode(errors="ignore")
    return f"{begin}~{digest}"
