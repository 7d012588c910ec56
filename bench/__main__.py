"""`python -m bench`: measure, print the tables, write bench/results.json."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.import_time import measure_imports
from bench.measured import provenance, write_section
from bench.programs import BenchError, build_programs
from bench.suites import FULL, SHORT, SUITES, Findings

_RESULTS = Path(__file__).resolve().parent / "results.json"
_COLUMNS = (
    "case",
    "target",
    "calls/s",
    "p50 ms",
    "p99 ms",
    "CPU ms/call",
    "upstream/call",
    "PSS MiB",
    "first answer s",
    "errors",
)
_CHECK_COLUMNS = ("what", "wanted", "measured", "")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--suites", default=",".join((*SUITES, "imports")), help="which, with commas (default: all)")
    parser.add_argument("--short", action="store_true", help="a short look instead of the full rounds")
    parser.add_argument("--measured", action="store_true", help="write the sections of docs/measured.md")
    chosen = parser.parse_args(arguments)
    names: list[str] = chosen.suites.split(",")
    if unknown := [name for name in names if name not in (*SUITES, "imports")]:
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join((*SUITES, 'imports'))}")
    findings = Findings()
    try:
        programs = build_programs()
        with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
            for name in names:
                if name in SUITES:
                    print(f"measuring {name} …", file=sys.stderr, flush=True)
                    SUITES[name](programs, Path(folder), SHORT if chosen.short else FULL, findings)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if "imports" in names:
        _measure_imports(findings)
    _show(findings)
    _RESULTS.write_text(json.dumps({"from": provenance(), **asdict(findings)}, indent=2, ensure_ascii=False) + "\n")
    if chosen.measured:
        _write(findings)
    return 0


def _measure_imports(findings: Findings) -> None:
    seconds = measure_imports()
    findings.at_most("import hub: CPU beyond bare Python", seconds["import hub"] - seconds["python -c pass"], 0.1, "s")
    findings.at_most("hub --help: CPU", seconds["hub --help"], 0.3, "s")


def _tables(findings: Findings) -> tuple[list[list[str]], list[list[str]]]:
    rows = [[_cell(row.get(column)) for column in _COLUMNS] for row in findings.rows]
    checks = [
        [check.what, f"{check.wanted} {check.unit}".strip(), f"{check.value:.3g}", "ok" if check.holds else "MISS"]
        for check in findings.checks
    ]
    return rows, checks


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _show(findings: Findings) -> None:
    rows, checks = _tables(findings)
    console = Console(width=140 if not sys.stdout.isatty() else None)
    for columns, lines in ((_COLUMNS, rows), (_CHECK_COLUMNS, checks)):
        if not lines:
            continue
        table = Table(*columns)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    for problem in findings.problems[:10]:
        console.print(f"wrong answer · {problem}", markup=False)


def _write(findings: Findings) -> None:
    rows, checks = _tables(findings)
    note = "Modern clients, one echo tool; medians of interleaved rounds; CPU and memory are those of the process tree."
    if rows:
        write_section("Speed", [_COLUMNS, *rows], note=note)
    write_section("Speed against its bars", [_CHECK_COLUMNS, *checks])


if __name__ == "__main__":
    sys.exit(main())
