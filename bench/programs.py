"""The two Rust programs: an echo server and a load generator. Built once, again when their sources change."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BIN = _HERE / "bin"


class BenchError(Exception):
    """The run cannot go on; the message says what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    echoup: Path
    mcpload: Path


def build_programs() -> Programs:
    """Compile what is missing or older than its sources.

    Raises:
        BenchError: there is no Rust compiler, or it fails.
    """
    sources = sorted((_HERE / "src").glob("*.rs"))
    newest = max(source.stat().st_mtime for source in sources)
    built = Programs(echoup=_BIN / "echoup", mcpload=_BIN / "mcpload")
    for program in (built.echoup, built.mcpload):
        if program.exists() and program.stat().st_mtime >= newest:
            continue
        compiler = shutil.which("rustc")
        if compiler is None:
            raise BenchError(
                "the echo server and the load generator are Rust programs: install Rust 1.70 or later "
                "(rustc; it comes with cargo) and start again"
            )
        _BIN.mkdir(exist_ok=True)
        command = [compiler, "-O", str(_HERE / "src" / f"{program.name}.rs"), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"rustc could not build {program.name}:\n{done.stderr.strip()}")
    return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the load generator saw in one run."""

    calls: int
    """Calls that ended rightly inside the window."""
    requests: int
    """All requests sent, warm-up included."""
    errors: int
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    sample_errors: tuple[str, ...]


def run_load(
    programs: Programs, url: str, tool_name: str, *, concurrency: int, seconds: float, warmup_s: float = 0.5
) -> Load:
    """Call `tool_name` with the modern era from `concurrency` connections; each answer must carry its nonce."""
    command = [str(programs.mcpload), "--url", url, "--era", "modern", "--tool", tool_name]
    command += ["--conc", str(concurrency), "--secs", str(seconds), "--warmup", str(warmup_s), "--timeout-ms", "15000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + warmup_s + 60)
    if done.returncode:
        raise BenchError(f"the load generator failed against {url}: {done.stderr.strip()}")
    seen = json.loads(done.stdout)
    return Load(
        calls=seen["calls"],
        requests=seen["requests"],
        errors=seen["errors"],
        calls_per_s=seen["calls_per_s"],
        p50_ms=seen["p50_ms"],
        p99_ms=seen["p99_ms"],
        sample_errors=tuple(seen["sample_errors"]),
    )
