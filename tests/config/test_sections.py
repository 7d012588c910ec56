"""Sections that adapters own are found by their entry point."""

import sys
from pathlib import Path

import pytest

from hub.config.schema import json_schema
from hub.config.sections import adapter_sections
from tests.config.writing import load, mistakes

_ADAPTER = """
from pydantic import BaseModel


class Staffs(BaseModel, extra="forbid"):
    names: list[str]
    model: str = "none"


class StaffAdapter:
    sections = {"staffs": Staffs}


adapter = StaffAdapter()
"""


@pytest.fixture
def _installed_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution that declares the entry point, as an installed one does."""
    site = tmp_path / "site"
    info = site / "some_adapter-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "some_adapter_for_a_test.py").write_text(_ADAPTER, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-adapter\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[hub.adapters]\nstaffs = some_adapter_for_a_test:adapter\n", encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def _sections() -> str:
    return ", ".join(["servers", "gateway", "sidecar", *adapter_sections()])


@pytest.mark.usefixtures("_installed_adapter")
def test_a_section_of_an_adapter_is_read_by_the_adapter_s_model(tmp_path: Path) -> None:
    loaded = load(tmp_path, "staffs: {names: [a], model: '${MODEL}'}", MODEL="m0del")

    assert loaded.sections["staffs"].model_dump() == {"names": ["a"], "model": "m0del"}
    assert "m0del" not in repr(loaded.sections["staffs"])


@pytest.mark.usefixtures("_installed_adapter")
def test_a_mistake_in_an_adapter_s_section_is_told_like_any_other(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "staffs:\n  nams: [a]\nflocks: {}\n") == [
        "1: staffs.names: found nothing; expected a value; correct it",
        "2: staffs.nams: found an unknown key; expected one of names, model; did you mean `names`?",
        f"3: flocks: found an unknown key; expected one of {_sections()}; did you mean `flows`?",
    ]


@pytest.mark.usefixtures("_installed_adapter")
def test_the_schema_has_the_sections_of_installed_adapters() -> None:
    assert json_schema()["properties"]["staffs"]["required"] == ["names"]
