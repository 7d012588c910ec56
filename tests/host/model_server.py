"""The one place where the tests' models live: deterministic answers, and a count of every call."""

import http.server
import json
import re
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Holds the calls of one task back."""

    arrived: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)


class ModelServer:
    """Answers `TASK=...; TOPIC=...;` prompts on a free port of the loopback."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, str]] = []
        self._gates: dict[tuple[str, str], Gate] = {}
        self._lock = threading.Lock()
        self.chats: list[Json] = []
        """What came by OpenAI's chat API."""
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = json.dumps(model.respond(self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None: ...

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    return  # the host was killed while it waited for this answer

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def hold(self, task: str, topic: str) -> Gate:
        """Let the next call of a task wait until its gate is opened."""
        gate = self._gates[task, topic] = Gate()
        return gate

    def calls(self, topic: str) -> Counter[str]:
        """Count the calls about one topic, by task."""
        with self._lock:
            return Counter(task for task, about in self._calls if about == topic)

    @property
    def total(self) -> int:
        """How many calls there were, about whatever."""
        with self._lock:
            return len(self._calls)

    def respond(self, path: str, body: Json) -> Json:
        """Answer one request: those of OpenAI's API by their paths."""
        if path.endswith("/chat/completions"):
            return self.complete(body)
        return _embeddings(body) if path.endswith("/embeddings") else self.answer(body)

    def complete(self, body: Json) -> Json:
        """Answer as the chat API of OpenAI does, with the last message's first line as the topic."""
        text = str(body["messages"][-1]["content"])
        with self._lock:
            self.chats.append(body)
            self._calls.append(("chat", text.partition("\n")[0].strip()))
        message = {"role": "assistant", "content": f"text {len(self._calls)}"}
        return {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }

    def answer(self, body: Json) -> Json:
        prompt: str = body["prompt"]
        task, topic = _last(r"TASK=(\w+);", prompt), _last(r"TOPIC=([^;]*);", prompt)
        with self._lock:
            self._calls.append((task, topic))
            gate = self._gates.pop((task, topic), None)
        if gate is not None:
            gate.arrived.set()
            gate.opened.wait(60)
        tools = cast("list[str]", body["tools"])
        if tools and not body["used_tool"]:
            return {"tool": {"name": tools[0], "arguments": json.dumps(_arguments(tools[0], topic))}}
        if task == "write":
            return {"text": json.dumps({"topic": topic, "words": len(topic.split()), "summary": f"on {topic}"})}
        return {"text": f"{task} about {topic}"}


def _embeddings(body: Json) -> Json:
    texts = cast("list[str]", body["input"])
    data = [{"object": "embedding", "index": place, "embedding": [1.0] * 3072} for place in range(len(texts))]
    return {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def _arguments(tool: str, topic: str) -> Json:
    if tool == "count_words":
        return {"text": topic}
    return {"task": f"TASK=handed; TOPIC={topic};", "context": "none", "coworker": "worker"}


def _last(pattern: str, prompt: str) -> str:
    found = re.findall(pattern, prompt)
    return found[0] if found else "-"


@contextmanager
def open_model_server() -> Generator[ModelServer]:
    model = ModelServer()
    serving = threading.Thread(target=model.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        yield model
    finally:
        model.server.shutdown()
        model.server.server_close()
        serving.join()
