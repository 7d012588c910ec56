"""The page about durable functions is a program that runs."""

import ast
import inspect
import re
import sys
import types
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

import anyio

from hub.workflows import DaprAddress
from tests.sidecar.processes import running_sidecar

PAGE = Path(__file__).parents[2] / "docs" / "durable-functions.md"


async def test_the_blocks_of_the_page_run_in_their_order(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    module = types.ModuleType("durable_functions_page")
    sys.modules[module.__name__] = module
    try:
        with running_sidecar(tmp_path / "docs.db") as sidecar, anyio.fail_after(60):
            vars(module)["dapr_address"] = DaprAddress(grpc_port=sidecar.api.grpc_port)
            for number, block in enumerate(blocks):
                code = compile(block, f"{PAGE.name}, block {number}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                running: Any = eval(code, vars(module))
                if inspect.isawaitable(running):
                    await cast("Awaitable[object]", running)
    finally:
        del sys.modules[module.__name__]
