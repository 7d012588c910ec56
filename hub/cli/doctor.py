"""`hub doctor`: what is wrong with each server, and what to do."""

from typing import TYPE_CHECKING

import typer

from hub.cli.failures import EXIT_FAILED
from hub.cli.options import ConfigOption, JsonOption, load
from hub.cli.output import clean, note, write, write_json

if TYPE_CHECKING:
    from hub.cli.diagnosis import Finding


def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check each server, and say what to do. Looks whether it is found, reachable, negotiated; at names and schemas."""
    loaded, places = load(config)

    import anyio

    from hub.cli.diagnosis import diagnose

    findings = anyio.run(diagnose, loaded, places)
    failed = any(not finding.ok for finding in findings)
    if as_json:
        write_json({"ok": not failed, "checks": [finding.to_json() for finding in findings]})
    else:
        _show(findings)
        if not findings:
            note(f"no servers in {loaded.path}; add some, or `hub import FILE --into {loaded.path}`")
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _show(findings: "list[Finding]") -> None:
    server = None
    for finding in findings:
        if finding.server != server:
            server = finding.server
            write(server)
        write(f"  {'ok  ' if finding.ok else 'FAIL'} {finding.check}: {clean(finding.text)}")
        if finding.advice:
            write(f"       -> {clean(finding.advice)}")
