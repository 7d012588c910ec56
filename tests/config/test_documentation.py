"""docs/configuration.md tells every key, and its example is right."""

import re
from pathlib import Path

from hub.config import EmbeddedSettings
from hub.gateway.settings import GatewaySettings
from hub.upstream.settings import ServerSettings
from tests.config.writing import load

_PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_every_key_stands_in_the_page_with_its_meaning() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| .*? \| (.+) \|$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    fields = {**ServerSettings.model_fields, **GatewaySettings.model_fields, **EmbeddedSettings.model_fields}

    missing = [name for name, field in fields.items() if (name, field.description) not in rows]

    assert missing == []


def test_the_example_of_the_page_is_a_right_configuration(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert example is not None
    assert list(load(tmp_path, example[1], TRACKER_TOKEN="t").config.servers) == ["git", "tracker"]
