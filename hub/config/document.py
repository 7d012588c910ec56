"""A configuration file as plain values that still know the lines they stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists."""

MAX_FILE_BYTES = 4 * 2**20


def to_text(path: KeyPath) -> str:
    """The path as people write it: `servers.git.args[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a file says."""

    value: object
    lines: Mapping[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    """The line, from 1, of each key and list item."""
    origins: Mapping[KeyPath, KeyPath] = field(default_factory=dict[KeyPath, KeyPath])
    """For a value that was translated from another dialect: where it stands in the file."""

    def in_file(self, path: KeyPath) -> KeyPath:
        """The path as it stands in the file, before a translation."""
        for end in range(len(path), 0, -1):
            origin = self.origins.get(path[:end])
            if origin is not None:
                return origin + path[end:]
        return path

    def line(self, path: KeyPath) -> int:
        """The line of a value, or of what is nearest around it."""
        place = self.in_file(path)
        for end in range(len(place), -1, -1):
            line = self.lines.get(place[:end])
            if line is not None:
                return line
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong in a file."""

    line: int
    key: str
    """The key path as it stands in the file; empty where the whole file is meant."""
    text: str
    """What was found; what was expected; what to do."""


class Mistakes:
    """Everything that is wrong in one file, told at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: list[Mistake] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, document: Document, path: KeyPath, text: str) -> None:
        """Note a mistake at a value of the document."""
        self._found.append(Mistake(line=document.line(path), key=to_text(document.in_file(path)), text=text))

    def add_all(self, mistakes: Sequence[Mistake]) -> None:
        self._found.extend(mistakes)

    def to_error(self) -> ConfigError:
        """All mistakes as one error, one a line, in the order of the file."""
        return config_error(self.file, self._found)


def config_error(file: Path, mistakes: Sequence[Mistake]) -> ConfigError:
    """The error that names file, line and key of each mistake."""
    shown = shown_path(file)
    lines: list[str] = []
    for mistake in sorted(mistakes, key=lambda found: found.line):
        line = f"{shown}:{mistake.line}: {mistake.key + ': ' if mistake.key else ''}{mistake.text}"
        if line not in lines:
            lines.append(line)
    return ConfigError("\n".join(lines))


def shown_path(file: Path) -> str:
    """The path for people: relative where the file is in or under the current folder."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
