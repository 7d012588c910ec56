"""Agents by reference: `package.module:attribute` or `path/file.py:attribute`."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from weakref import WeakKeyDictionary

from hub.agents.agent import DurableAgent
from hub.agents.models.choice import Model
from hub.agents.settings import AgentSettings
from hub.errors import ConfigError, HubError

_own_models: "WeakKeyDictionary[DurableAgent, str | Model | None]" = WeakKeyDictionary()
"""What an agent says itself, where an entry says something else."""


def load_agent(name: str, settings: AgentSettings, folder: Path) -> DurableAgent:
    """The agent that an entry of hub.yaml names, under the entry's name.

    Raises:
        ConfigError: nothing is there, or it is no agent.
    """
    return as_entry(find_agent(name, settings, folder), name, settings)


def as_entry(agent: DurableAgent, name: str, settings: AgentSettings) -> DurableAgent:
    """Give an agent what its entry says: its name, and its model if the entry names one."""
    if agent.name != name:
        agent.rename(name)
    own = _own_models.setdefault(agent, agent.model)
    model = own if settings.model is None else settings.model
    if agent.model != model:
        agent.model = model
    return agent


def find_agent(name: str, settings: AgentSettings, folder: Path) -> DurableAgent:
    """The agent that an entry of hub.yaml names, as it is.

    Args:
        folder: where relative paths start; modules are looked for there too.

    Raises:
        ConfigError: nothing is there, or it is no agent.
    """
    where = f"agents.{name}.python"
    place, _, path = settings.python.partition(":")
    try:
        found: Any = _module(place, folder)
        for part in path.split("."):
            found = getattr(found, part)
        is_class = isinstance(found, type) and issubclass(cast("type[object]", found), DurableAgent)
        made: Any = found() if is_class else found
    except HubError as error:
        raise ConfigError(f"{where}: {settings.python} cannot be made: {error}") from error
    except (ImportError, OSError, SyntaxError) as error:
        raise ConfigError(
            f"{where}: {place} cannot be loaded ({type(error).__name__}: {error}); expected a module that the hub's "
            "environment has, or a file beside the configuration"
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{where}: {place} has no {path!r}; expected a DurableAgent there") from error
    except Exception as error:
        raise ConfigError(f"{where}: {place} fails when it is loaded ({type(error).__name__})") from error
    if not isinstance(made, DurableAgent):
        raise ConfigError(f"{where}: {settings.python} is a {type(made).__name__}; expected a DurableAgent")
    return made


def _module(place: str, folder: Path) -> ModuleType:
    if not place.endswith(".py"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        return importlib.import_module(place)
    file = (folder / Path(place).expanduser()).resolve()
    # A name of its own for each file: two files of the same name do not stand in each other's way.
    module_name = f"hub_agents_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"no file {file.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module
