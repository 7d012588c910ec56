"""A cancelled call makes no further model call, also from a node whose thread nothing can stop."""

import threading
from importlib import import_module
from typing import Any


class _CallStoppedError(Exception):
    """The call was cancelled."""


def model_stop(stopped: threading.Event) -> Any:
    """Build a LangChain callback that refuses to start a model or a tool once the call was cancelled."""
    handler: Any = import_module("langchain_core.callbacks").BaseCallbackHandler

    class ModelStop(handler):
        raise_error = True
        run_inline = True

        def _check(self) -> None:
            if stopped.is_set():
                raise _CallStoppedError

        def on_llm_start(self, *_: Any, **__: Any) -> None:
            self._check()

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            self._check()

        def on_tool_start(self, *_: Any, **__: Any) -> None:
            self._check()

    return ModelStop()
