"""CPU seconds of `import hub` and of `hub --help`: the median of ten fresh processes each."""

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

_ROOT = Path(__file__).resolve().parent.parent
_CASES = {
    "python -c pass": ["-c", "pass"],
    "import hub": ["-c", "import hub"],
    "hub --help": [str(Path(sys.executable).with_name("hub")), "--help"],
}


def cpu_seconds(arguments: Sequence[str], *, runs: int = 10) -> float:
    """Median CPU seconds of `python ARGUMENTS`."""
    seen: list[float] = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], cwd=_ROOT, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seen.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(seen)


def measure_imports(*, runs: int = 10) -> dict[str, float]:
    """CPU seconds by what was started."""
    return {name: cpu_seconds(arguments, runs=runs) for name, arguments in _CASES.items()}


if __name__ == "__main__":
    for name, seconds in measure_imports().items():
        print(f"{name:16} {seconds:.3f} s")
