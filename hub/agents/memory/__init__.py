"""What an agent remembers of a conversation, and where that is kept."""

from typing import TYPE_CHECKING, Any

from hub.agents.memory.in_memory import InMemory
from hub.agents.memory.protocol import Embeddings, Memory, MemoryStore, Overgrown, Recalled

if TYPE_CHECKING:
    from hub.agents.memory.dapr_state import DaprState
    from hub.agents.memory.embeddings import LocalEmbeddings, ProviderEmbeddings
    from hub.agents.memory.postgresql import PostgreSQL

__all__ = [
    "DaprState",
    "Embeddings",
    "InMemory",
    "LocalEmbeddings",
    "Memory",
    "MemoryStore",
    "Overgrown",
    "PostgreSQL",
    "ProviderEmbeddings",
    "Recalled",
]

_MODULES = {
    "DaprState": "dapr_state",
    "LocalEmbeddings": "embeddings",
    "PostgreSQL": "postgresql",
    "ProviderEmbeddings": "embeddings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
