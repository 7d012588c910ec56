"""The tools of this host, loaded in the background while the first requests are answered."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .failures import RpcError, TargetError
from .targets import Target, load_target, version_warnings
from .tools import HostTool

Json = dict[str, Any]

logger = logging.getLogger("interop_hub_host")

_INTERNAL_ERROR = -32603


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of the targets."""

    tools: dict[str, HostTool] = field(default_factory=dict[str, HostTool])
    problems: list[TargetError] = field(default_factory=list[TargetError])
    warnings: list[str] = field(default_factory=list[str])


def load(targets: Sequence[Target]) -> Loaded:
    """Load each target; one that can't be offered takes none of the others with it."""
    loaded = Loaded()
    for target in targets:
        try:
            tools = load_target(target)
        except TargetError as error:
            _report(error)
            loaded.problems.append(error)
            continue
        except Exception as error:
            detail = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
            problem = TargetError(target.reference, f"`{target.reference}` raises {type(error).__name__}", detail)
            logger.debug("loading %s", target.reference, exc_info=True)
            _report(problem)
            loaded.problems.append(problem)
            continue
        for tool in tools:
            if tool.name in loaded.tools:
                problem = TargetError(
                    target.reference, f"two tools named `{tool.name}`: give `{target.reference}` another `name`"
                )
                _report(problem)
                loaded.problems.append(problem)
            else:
                loaded.tools[tool.name] = tool
    loaded.warnings.extend(version_warnings())
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    return loaded


def _report(error: TargetError) -> None:
    logger.error("%s%s", error, f" ({error.detail})" if error.detail else "")


class Catalog:
    """Loads once, on a thread."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._loading: asyncio.Future[Loaded] | None = None

    def start_loading(self) -> None:
        """Begin to import, if nobody has; the first answer goes out before, so that it need not wait for an import."""
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(load, self._targets))

    async def loaded(self) -> Loaded:
        """Wait for the tools.

        Raises:
            RpcError: not one target could be loaded.
        """
        self.start_loading()
        assert self._loading is not None  # noqa: S101 - set by the line above
        loaded = await asyncio.shield(self._loading)
        if loaded.problems and not loaded.tools:
            raise RpcError(_INTERNAL_ERROR, "None of the targets could be loaded; the host's log says why")
        return loaded
