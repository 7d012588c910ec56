"""Calls healthy tools one after the other and tells how long each call took.

usage: python -m tests.faults.prober PORT TOOL [TOOL ...]

A process of its own, so that what the test does beside it does not count. For each line on standard input, a number
of seconds, it calls the tools in turn for so long and writes one line of JSON: the tool's name -> milliseconds of each
call. However slow the machine is, a window has enough calls for a p99.
"""

import json
import sys
import time

from tests.tooling.wire import Wire, tool_call

MIN_CALLS = 400


def main() -> None:
    port, tool_names = int(sys.argv[1]), sys.argv[2:]
    with Wire(port) as wire:
        for line in sys.stdin:
            ends_at = time.perf_counter() + float(line)
            taken: dict[str, list[float]] = {name: [] for name in tool_names}
            number = 0
            while time.perf_counter() < ends_at or number < MIN_CALLS:
                number += 1
                for name in tool_names:
                    nonce = f"n{number}"
                    request = tool_call(name, {"text": nonce}, port=port, id=number)
                    started_at = time.perf_counter()
                    response = wire.exchange(request)
                    elapsed_s = time.perf_counter() - started_at
                    if response.messages()[-1]["result"]["content"] != [{"type": "text", "text": nonce}]:
                        raise SystemExit(f"wrong answer: {response.body[:300]!r}")
                    taken[name].append(elapsed_s * 1000)
            print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
