"""Configuration: the only reader of its files and of the environment."""

from hub.config.environment import base_env, token_from
from hub.config.loading import load_config, with_gateway
from hub.config.places import Places, find_config
from hub.config.running import Running, hold_lock, read_running, remove_running, write_running
from hub.config.settings import Difference, HubConfig, LoadedConfig, difference, enabled_servers
from hub.config.watching import watch_config

__all__ = [
    "Difference",
    "HubConfig",
    "LoadedConfig",
    "Places",
    "Running",
    "base_env",
    "difference",
    "enabled_servers",
    "find_config",
    "hold_lock",
    "load_config",
    "read_running",
    "remove_running",
    "token_from",
    "watch_config",
    "with_gateway",
    "write_running",
]
