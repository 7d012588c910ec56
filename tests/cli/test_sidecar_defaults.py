"""The defaults of the embedded sidecar stand in several places, so that help and configuration load nothing of it."""

import inspect
from pathlib import Path

from hub.cli.sidecar import sidecar
from hub.config import EmbeddedSettings
from hub.sidecar import SidecarSettings


def test_the_configuration_and_the_command_have_the_sidecars_own_defaults() -> None:
    own = SidecarSettings(db_path=Path("s.db"))
    said = inspect.signature(sidecar).parameters
    for name, field in EmbeddedSettings.model_fields.items():
        assert (field.default, said[name].default) == (getattr(own, name), getattr(own, name)), name
