"""The host processes that a test has started."""

import os
import signal

from tests.tooling.proc import descendants


def kill_hosts() -> int:
    """SIGKILL to every host under this process; how many there were."""
    hosts = [process for process in descendants(os.getpid()) if "adapters/host/__main__.py" in process.command]
    for process in hosts:
        os.kill(process.pid, signal.SIGKILL)
    return len(hosts)
