"""The commands that need no server: files written, differences shown, mistakes told, exit codes kept."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config.schema import schema_text
from tests.cli.running import Folder

_MCP = '{"mcpServers": {"web": {"url": "https://x.example/mcp", "headers": {"Authorization": "Bearer s3cret"}}}}'


def test_the_command_line_starts_without_an_sdk_or_a_settings_model() -> None:
    program = (
        "import sys, hub.cli.main; print([n for n in ('mcp', 'aiohttp', 'httpx', 'pydantic') if n in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "[]"


def test_help_pages_are_written_without_what_they_do_not_use() -> None:
    program = (
        "import sys, contextlib, io\n"
        "from hub.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out: code = main(sys.argv[1:])\n"
        "heavy = ('rich', 'markdown_it', 'pygments', 'asyncio', 'anyio', 'pydantic')\n"
        "print(code, 'Usage: hub' in out.getvalue(), [name for name in heavy if name in sys.modules])"
    )

    told = [
        subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()
        for words in (["--help"], ["-h"], [])
    ]

    assert told == ["0 True []"] * 3


@pytest.mark.parametrize("words", [[], ["run"], ["questions"], ["events"]])
def test_help_pages_tell_each_command_in_a_whole_sentence(folder: Folder, words: list[str]) -> None:
    page = folder.run(*words, "--help").out

    commands = page.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(commands) > 1
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


def test_importing_the_hub_loads_nothing_but_the_standard_library() -> None:
    program = (
        "import sys; before = set(sys.modules); import hub\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names), 'asyncio' in new)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "['hub'] False"


def test_help_and_version_are_told(folder: Folder) -> None:
    help_text = folder.run("--help")
    nothing = folder.run()

    assert (help_text.code, nothing.code) == (0, 0)
    for command in ("init", "serve", "servers", "tools", "call", "import", "doctor", "logs", "schema"):
        assert f" {command} " in help_text.out
    assert "Exit codes: 0 done" in help_text.out
    assert nothing.out == help_text.out
    assert folder.run("--version").out == "interop-hub 0.1.0\n"


def test_init_writes_a_configuration_and_its_schema_once(folder: Folder) -> None:
    first = folder.run("init")
    second = folder.run("init")
    forced = folder.run("init", "--force", "--json")

    assert (first.code, second.code, forced.code) == (0, 2, 0)
    assert "is there already; use --force to replace it" in second.err
    assert forced.json() == {"written": [str(folder.path / "hub.yaml"), str(folder.path / "hub.schema.json")]}
    assert (folder.path / "hub.schema.json").read_text(encoding="utf-8") == schema_text()
    assert (folder.path / "hub.yaml").read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=./hub")


def test_init_writes_the_user_s_configuration_when_asked(folder: Folder) -> None:
    assert folder.run("init", "--user").code == 0
    assert (folder.path / "XDG_CONFIG_HOME" / "interop-hub" / "hub.yaml").exists()


def test_an_import_without_a_terminal_writes_only_after_yes(folder: Folder) -> None:
    folder.write("mcp.json", _MCP)

    asked = folder.run("import", "mcp.json")
    was_written = (folder.path / "hub.yaml").exists()
    done = folder.run("import", "mcp.json", "--yes")

    assert (asked.code, was_written, done.code) == (2, False, 0)
    assert "nobody can be asked here; add --yes to write" in asked.err
    assert "+      Authorization: Bearer ${WEB_AUTHORIZATION}" in asked.out
    assert "set WEB_AUTHORIZATION" in asked.err
    assert "s3cret" not in asked.out + asked.err + (folder.path / "hub.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("answer", "code", "is_written"), [("y", 0, True), ("n", 1, False)])
def test_an_import_in_a_terminal_asks_before_it_writes(
    folder: Folder, answer: str, code: int, is_written: bool
) -> None:
    folder.write("mcp.json", _MCP)

    done = folder.run_in_terminal("import", "mcp.json", answers=[("[y/N]", answer)])

    assert (done.code, (folder.path / "hub.yaml").exists()) == (code, is_written)


def test_an_import_as_json_is_one_document(folder: Folder) -> None:
    folder.write("mcp.json", _MCP)

    found = folder.run("import", "mcp.json", "--yes", "--json").json()

    assert (found["written"], found["added"]) == (True, ["web"])
    assert found["variables"] == [
        {"name": "WEB_AUTHORIZATION", "source": "mcp.json:1: mcpServers.web.headers.Authorization"}
    ]


def test_every_mistake_of_the_configuration_is_told_on_a_line_of_its_own(folder: Folder) -> None:
    folder.write("hub.yaml", "servers:\n  a: {comand: x}\n  b: {url: 3}\n")

    done = folder.run("servers")
    as_json = folder.run("servers", "--json")

    assert (done.code, done.out) == (2, "")
    first, second = done.err.splitlines()
    assert first.startswith("hub: hub.yaml:2: servers.a.comand: found an unknown key; expected one of command, args,")
    assert first.endswith("did you mean `command`?")
    assert second == "hub.yaml:3: servers.b.url: found a number; expected text; put it in quotes"
    assert as_json.code == 2
    assert as_json.json()["error"]["code"] == "invalid_config"
    assert as_json.json()["error"]["retryable"] is False


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["foo"], 2, "No such command 'foo'; see `hub --help`"),
        (["servers", "--bad"], 2, "No such option: --bad; see `hub servers --help`"),
        (["call"], 2, "Missing argument 'name'; see `hub call --help`"),
        (["serve", "--stdio", "--json"], 2, "found --stdio and --json"),
        (["logs", "web", "-f", "--json"], 2, "found --follow and --json"),
        (["call", "x", "--log-level", "loud"], 2, "found --log-level 'loud'; expected one of debug, info"),
        (["logs", "nope"], 4, "there is no server 'nope'; the configuration has: web"),
        (["servers", "-c", "nowhere.yaml"], 2, "nowhere.yaml: found no such file"),
    ],
)
def test_wrong_usage_is_one_message_and_an_exit_code(folder: Folder, words: list[str], code: int, message: str) -> None:
    folder.write("hub.yaml", "servers: {web: {url: 'http://127.0.0.1:9/mcp'}}")

    done = folder.run(*words)

    told = json.loads(done.out)["error"]["message"] if "--json" in words else done.err
    assert (done.code, message in told, "Traceback" in done.err) == (code, True, False), done


def test_the_end_of_a_server_s_log_is_shown_without_what_steers_a_terminal(folder: Folder) -> None:
    folder.write("hub.yaml", "servers: {web: {url: 'http://127.0.0.1:9/mcp'}}")
    empty = folder.run("logs", "web", "--json").json()
    file = Path(str(empty["file"]))
    file.parent.mkdir(parents=True)
    file.with_name("web.log.1").write_text("one\ntwo\n", encoding="utf-8")
    file.write_text("three \x1b[31mred\x1b[0m\nfour\n", encoding="utf-8")

    assert (empty["lines"], file.name, file.parent.name) == ([], "web.log", "logs")
    assert folder.run("logs", "web", "-n", "3").out == "two\nthree red\nfour\n"


def test_a_followed_log_shows_new_lines_until_it_is_interrupted(folder: Folder) -> None:
    folder.write("hub.yaml", "servers: {web: {url: 'http://127.0.0.1:9/mcp'}}")
    file = Path(str(folder.run("logs", "web", "--json").json()["file"]))
    file.parent.mkdir(parents=True)
    file.write_text("one\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("hub")), "logs", "web", "-f"]

    with subprocess.Popen(
        command, cwd=folder.path, env=folder.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        with file.open("ab") as log:
            log.write(b"two\n")
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=20)

    assert (first, second, rest, told, process.returncode) == (b"one\n", b"two\n", b"", b"", 130)


def test_the_shell_s_completion_is_offered(folder: Folder) -> None:
    done = folder.run("--show-completion", "bash")

    assert (done.code, "_HUB_COMPLETE" in done.out) == (0, True)
