"""Configuration: the only reader of its files and of the environment."""

from hub.config.embedded import EmbeddedSettings
from hub.config.environment import base_env, token_from, variables
from hub.config.loading import load_config, load_embedded, with_gateway
from hub.config.places import Places, find_config
from hub.config.running import Running, hold_lock, read_running, remove_running, write_running
from hub.config.sections import AdapterEntry, adapter_entries, installed_adapters
from hub.config.settings import Difference, HubConfig, LoadedConfig, difference, enabled_servers
from hub.config.watching import watch_config

__all__ = [
    "AdapterEntry",
    "Difference",
    "EmbeddedSettings",
    "HubConfig",
    "LoadedConfig",
    "Places",
    "Running",
    "adapter_entries",
    "base_env",
    "difference",
    "enabled_servers",
    "find_config",
    "hold_lock",
    "installed_adapters",
    "load_config",
    "load_embedded",
    "read_running",
    "remove_running",
    "token_from",
    "variables",
    "watch_config",
    "with_gateway",
    "write_running",
]
