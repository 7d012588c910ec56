"""A legacy server on standard input and output, without any SDK, that misbehaves in the tools that say so.

usage: odd_server.py [--silent-probe] [--dies-at-probe] [--noisy-probe] [--stubborn] [--grandchild FILE]
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_output = threading.Lock()
_answers: dict[str, Json] = {}
_answered = threading.Condition()
_cancelled: set[int] = set()
_questions = 0
TOOLS = ("echo", "exit", "hang", "big", "noise", "flood", "ask", "ask_two", "ask_after", "env", "pid", "wait_cancel")


def send(message: Json) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def write(data: bytes) -> None:
    with _output:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def text(value: str) -> Json:
    return {"content": [{"type": "text", "text": value}], "isError": False}


def ask(message: str) -> Json:
    """Ask the client and wait; the whole response."""
    global _questions
    with _answered:
        _questions += 1
        question = f"question-{_questions}"
    form = {"type": "object", "properties": {"name": {"type": "string"}}}
    params = {"mode": "form", "message": message, "requestedSchema": form}
    send({"id": question, "method": "elicitation/create", "params": params})
    with _answered:
        while question not in _answers:
            _answered.wait()
        return _answers.pop(question)


def said(response: Json) -> str:
    if "error" in response:
        return f"error {response['error']['code']}: {response['error']['message']}"
    return str(response["result"].get("content", {}).get("name", response["result"].get("action")))


def call(name: str, arguments: Json, request_id: int) -> Json | None:
    if name == "echo":
        return text(arguments["text"])
    if name == "exit":
        os._exit(arguments.get("status", 3))
    if name == "big":
        return text("x" * arguments["bytes"])
    if name == "noise":
        write(b"Traceback (most recent call last):\n\xff\xfe\n[]\n{\n")
        return text("after the noise")
    if name == "flood":
        for number in range(arguments["lines"]):
            sys.stderr.write(f"line {number} {'y' * 90}\n")
        sys.stderr.flush()
        return text("flooded")
    if name == "ask":
        return text(said(ask(arguments.get("message", "Your name?"))))
    if name == "ask_two":
        first = said(ask("first"))
        return text(f"{first} {said(ask('second'))}")
    if name == "ask_after":
        while not Path(arguments["file"]).exists():
            time.sleep(0.01)
        return text(said(ask("Your name?")))
    if name == "env":
        return text(json.dumps(dict(os.environ)))
    if name == "pid":
        return text(str(os.getpid()))
    if name == "wait_cancel":
        deadline = time.monotonic() + 5
        while not _cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        return text(f"cancelled {len(_cancelled)}")
    return None


def serve_call(message: Json) -> None:
    params = message["params"]
    result = call(params["name"], params.get("arguments", {}), message["id"])
    if result is not None:
        send({"id": message["id"], "result": result})


def receive(message: Json, options: argparse.Namespace) -> None:
    method = message.get("method")
    if method is None:
        with _answered:
            _answers[message["id"]] = message
            _answered.notify_all()
    elif method == "initialize":
        capabilities: Json = {"tools": {}}
        info = {"name": "odd", "version": "1"}
        version = options.version or message["params"]["protocolVersion"]
        send(
            {
                "id": message["id"],
                "result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info},
            }
        )
    elif method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
        half = len(tools) // 2
        if message.get("params", {}).get("cursor") == "more":
            send({"id": message["id"], "result": {"tools": tools[half:]}})
        else:
            send({"id": message["id"], "result": {"tools": tools[:half], "nextCursor": "more"}})
    elif method == "ping":
        send({"id": message["id"], "result": {}})
    elif method == "tools/call":
        threading.Thread(target=serve_call, args=(message,), daemon=True).start()
    elif method == "notifications/cancelled":
        _cancelled.add(message["params"]["requestId"])
    elif "id" in message:
        if options.dies_at_probe:
            os._exit(1)
        if options.noisy_probe:
            write(b"KeyError: unknown method\n")
        elif not options.silent_probe:
            send({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("silent-probe", "dies-at-probe", "noisy-probe", "stubborn"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--grandchild", type=Path)
    parser.add_argument("--version")
    options = parser.parse_args()
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.grandchild:
        sleeper = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", sleeper], stdin=subprocess.DEVNULL)
        options.grandchild.write_text(str(child.pid))
    for line in sys.stdin.buffer:
        with contextlib.suppress(json.JSONDecodeError):
            receive(json.loads(line), options)
    if options.stubborn:
        time.sleep(600)


if __name__ == "__main__":
    main()
