"""The pages tell every key, and their examples are right."""

import re
from pathlib import Path

import pytest

from adapters.openapi.settings import OpenApiSettings
from adapters.settings import CrewSettings, FlowSettings, FunctionSettings, GraphSettings, HostedSettings
from hub.upstream import EntrySettings
from tests.config.writing import load

PAGES = Path(__file__).parents[2] / "docs" / "adapters"


@pytest.mark.parametrize(("page", "settings"), [("openapi", OpenApiSettings), ("README", HostedSettings)])
def test_every_key_stands_in_its_page_with_its_meaning(page: str, settings: type[EntrySettings]) -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| .*? \| (.+) \|$", (PAGES / f"{page}.md").read_text(), re.MULTILINE))
    own = {name: each for name, each in settings.model_fields.items() if name not in EntrySettings.model_fields}
    assert [name for name, each in own.items() if (name, each.description) not in rows] == []


@pytest.mark.parametrize(
    ("page", "settings"),
    [("crews", CrewSettings), ("crews", FlowSettings), ("graphs", GraphSettings), ("functions", FunctionSettings)],
)
def test_the_keys_of_each_kind_stand_in_its_page(page: str, settings: type[HostedSettings]) -> None:
    text = (PAGES / f"{page}.md").read_text()
    own = set(settings.model_fields) - set(HostedSettings.model_fields)
    assert sorted(name for name in own if f"`{name}" not in text) == (["flow"] if settings is FlowSettings else [])


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_the_examples_of_the_pages_are_right_configurations(page: Path, tmp_path: Path) -> None:
    variables = {"OPENAI_API_KEY": "k", "MODEL": "m", "PETS_KEY": "p"}
    examples = re.findall(r"^( *)```yaml\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert examples
    for indent, example in examples:
        text = re.sub(f"^{indent}", "", example, flags=re.MULTILINE)
        assert load(tmp_path, text, **variables).sections
