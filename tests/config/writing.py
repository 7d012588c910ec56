"""Writing a configuration file and reading it back, for the tests."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from hub.config import LoadedConfig, load_config
from hub.errors import ConfigError


def write(folder: Path, text: str, name: str = "hub.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def load(folder: Path, text: str, name: str = "hub.yaml", **variables: str) -> LoadedConfig:
    return load_config(write(folder, text, name), variables)


def mistakes(folder: Path, text: str, name: str = "hub.yaml", variables: Mapping[str, str] | None = None) -> list[str]:
    """Each mistake of the file, without the file's path."""
    path = write(folder, text, name)
    return mistakes_of(path, variables or {})


def mistakes_of(path: Path, variables: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, variables or {})
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines), lines
    return [line.removeprefix(f"{path}:") for line in lines]
