"""Sections of hub.yaml that adapters own, found by the entry point group `hub.adapters`."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

ENTRY_POINT_GROUP = "hub.adapters"


@runtime_checkable
class SectionOwner(Protocol):
    """What the configuration needs to know of an adapter."""

    @property
    def sections(self) -> Mapping[str, type[BaseModel]]:
        """The model of each top-level section that this adapter reads."""
        ...


def adapter_sections() -> dict[str, type[BaseModel]]:
    """The sections of all installed adapters; of two that claim one name, the first by entry point name has it."""
    found: dict[str, type[BaseModel]] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        owner: object = entry.load()
        if isinstance(owner, SectionOwner):
            for name, model in owner.sections.items():
                found.setdefault(name, model)
    return found
