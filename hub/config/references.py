"""`${NAME}` and `${NAME:-default}` in strings: found at start, filled in at the last moment, never shown."""

import re
from collections.abc import Callable, Mapping
from typing import Self, TypeVar, cast

from pydantic import BaseModel

from hub.config.document import KeyPath

_REFERENCE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{(?P<bad>[^}]*)\}?")

ValueT = TypeVar("ValueT")


class FilledIn(str):
    """A string whose references were filled in; its `repr` shows the references, not the values."""

    __slots__ = ("_shown",)
    _shown: str

    def __new__(cls, value: str, shown: str) -> Self:
        made = super().__new__(cls, value)
        made._shown = shown
        return made

    def __repr__(self) -> str:
        return repr(self._shown)

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self._shown)


class UnsetError(Exception):
    """A reference that can't be filled in."""

    def __init__(self, text: str, name: str | None) -> None:
        super().__init__(text)
        self.name = name
        """The variable; None for a reference that is no reference."""


def has_reference(text: str) -> bool:
    """Whether the text is changed by `fill_in`."""
    return "$" in text and _REFERENCE.search(text) is not None


def names_in(text: str) -> list[str]:
    """The variables that the text refers to, in their order."""
    return [match["name"] for match in _REFERENCE.finditer(text) if match["name"] is not None]


def escaped(text: str) -> str:
    """The text such that `fill_in` gives it back as it is."""
    return re.sub(r"\$(?=[${])", "$$", text)


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """The text with the values of its references; `$$` stands for `$`.

    As in a shell, the default is taken for a variable that is not set or empty.

    Raises:
        UnsetError: a variable without a default is not set, or `${` starts no reference.
    """

    def value(match: re.Match[str]) -> str:
        if match["bad"] is not None:
            raise UnsetError(match[0], None)
        name = match["name"]
        if name is None:
            return "$"
        found = variables.get(name)
        if match["default"] is not None:
            return found or match["default"]
        if found is None:
            raise UnsetError(match[0], name)
        return found

    return _REFERENCE.sub(value, text)


def map_strings(value: ValueT, change: Callable[[str, KeyPath], str], path: KeyPath = ()) -> ValueT:
    """The same value with each string in it replaced; models, mappings, lists and tuples are walked.

    Models are copied without a new validation, so a `FilledIn` stays one.
    """
    return cast("ValueT", _map(value, change, path))


def _map(value: object, change: Callable[[str, KeyPath], str], path: KeyPath) -> object:
    if isinstance(value, str):
        return change(value, path)
    if isinstance(value, BaseModel):
        names = value.model_fields_set
        return value.model_copy(update={name: _map(getattr(value, name), change, (*path, name)) for name in names})
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {key: _map(item, change, (*path, key)) for key, item in items}
    if isinstance(value, list | tuple):
        items = [_map(item, change, (*path, position)) for position, item in enumerate(cast("list[object]", value))]
        return tuple(items) if isinstance(value, tuple) else items
    return value
