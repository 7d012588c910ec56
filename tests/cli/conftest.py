"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.cli.running import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(path=tmp_path)
