"""What a crew with `memory` remembers, kept apart by conversation: one caller's findings are nothing for another's.

Scopes within one memory would not do: crewai lets a model choose among them when it recalls.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any

from .tools import RunContext

_MADE_BY_CREWAI = "/crew/"
"""How the scope of a memory begins that crewai makes for `memory=True`; one that a project makes is left as it is."""


@contextlib.contextmanager
def own_memory(crew: Any, ctx: RunContext) -> Generator[None]:
    """Give a crew the memory of the call's thread; without a thread one that ends with the call."""
    memory = crew._memory
    place = getattr(getattr(memory, "_storage", None), "_path", None)
    if place is None or not str(getattr(memory, "root_scope", None)).startswith(_MADE_BY_CREWAI):
        yield
        return
    memory_class: Any = import_module("crewai.memory.unified_memory").Memory
    part = hashlib.sha256((ctx.thread or ctx.run_id).encode()).hexdigest()[:32]
    folder = Path(place) / ("threads" if ctx.thread else "runs") / part
    # not `_memory`: each assignment to a field of the crew makes that anew of `memory`
    crew.memory = memory_class(
        llm=memory.llm, embedder=memory.embedder, root_scope=memory.root_scope, storage=str(folder)
    )
    try:
        yield
    finally:
        if not ctx.thread:
            shutil.rmtree(folder, ignore_errors=True)
