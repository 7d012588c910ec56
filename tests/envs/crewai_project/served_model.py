"""A model that lives behind one address of the loopback: deterministic, and counted there."""

import json
import os
import re
import urllib.request
from typing import Any

from crewai import BaseLLM


class ServedModel(BaseLLM):
    """Asks the model server, once a call."""

    llm_type: str = "served"

    def supports_function_calling(self) -> bool:
        return True

    def supports_stop_words(self) -> bool:
        return False

    def get_context_window_size(self) -> int:
        return 100_000

    def get_input_tokens_count(self, messages: Any, tools: Any = None, response_model: Any = None) -> int:
        return len(str(messages)) // 4

    def call(
        self,
        messages: Any,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: Any = None,
    ) -> Any:
        listed = messages if isinstance(messages, list) else [{"role": "user", "content": messages}]
        text = "\n".join(str(message.get("content")) for message in listed)
        names = [tool["function"]["name"] for tool in tools or []]
        used = any(message.get("role") == "tool" for message in listed)
        body = json.dumps({"prompt": text, "tools": names, "used_tool": used, "structured": response_model is not None})
        request = urllib.request.Request(os.environ["MODEL_URL"], body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        self._track_token_usage_internal({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
        if answer.get("tool"):
            return [{"id": "call_1", "type": "function", "function": answer["tool"]}]
        if response_model is not None:
            return response_model.model_validate_json(answer["text"])
        return re.sub(r"^\s+", "", answer["text"])


def model() -> ServedModel:
    return ServedModel(model="served")
