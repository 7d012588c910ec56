"""Sections of hub.yaml that adapters own, found by the entry point group `hub.adapters`."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, cast, get_args, runtime_checkable

from pydantic import BaseModel, RootModel

from hub.upstream.adapter import Adapter, EntrySettings

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


def entry_model(section: type[BaseModel]) -> type[BaseModel] | None:
    """The model of one entry, where a section is entries by name."""
    if not issubclass(section, RootModel):
        return None
    arguments = get_args(section.model_fields["root"].annotation)
    entry: object = arguments[1] if len(arguments) == 2 else None
    return entry if isinstance(entry, type) and issubclass(entry, BaseModel) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterEntry:
    """One entry of a section, and the adapter that makes a provider of it."""

    adapter: Adapter
    section: str
    settings: EntrySettings


def installed_adapters() -> list[Adapter]:
    """The adapters that open providers, by entry point name."""
    found: list[object] = [
        entry.load() for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name)
    ]
    return [each for each in found if isinstance(each, Adapter)]


def adapter_entries(sections: Mapping[str, BaseModel]) -> dict[str, AdapterEntry]:
    """The enabled entries of all sections, by name, in the order of the file."""
    owners: dict[str, Adapter] = {}
    for adapter in installed_adapters() if sections else []:
        for name in adapter.sections:
            owners.setdefault(name, adapter)
    found: dict[str, AdapterEntry] = {}
    for name, section in sections.items():
        entries = cast("dict[str, object]", getattr(section, "root", {}))
        for key, settings in entries.items():
            if name in owners and isinstance(settings, EntrySettings) and settings.enabled:
                found[key] = AdapterEntry(adapter=owners[name], section=name, settings=settings)
    return found
