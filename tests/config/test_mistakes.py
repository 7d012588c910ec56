"""Every mistake is told at once, each with its line, its key, what was found, what was expected and what to do."""

from pathlib import Path

import pytest

from hub.config import load_config
from hub.config.document import MAX_FILE_BYTES
from hub.config.sections import adapter_sections
from hub.errors import ConfigError
from tests.config.writing import mistakes, mistakes_of, write


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(tmp_path: Path) -> None:
    text = """
        servers:
          git:
            command: uvx
            args: [mcp-server-git, 8080]
            comand: x
            env:
              TOKEN: ${GH_TOKEN}
          web:
            url: ftp://x
            timeout_s: -3
            era: old
            concurrency: many
            enabled: maybe
          both: {command: x, url: "http://z"}
          "b c": {command: x}
          shell:
            command: [npx, x]
            args: -y x
          none:
        gatway: {}
    """
    keys = (
        "command, args, env, cwd, url, transport, headers, era, timeout_s, start_timeout_s, concurrency, sessions, "
        "max_message_bytes, prefix, tools, hide, transparent, enabled"
    )

    known = ", ".join(["servers", "gateway", "sidecar", *adapter_sections()])
    assert mistakes(tmp_path, text) == [
        "4: servers.git.args[1]: found a number; expected text; put it in quotes",
        f"5: servers.git.comand: found an unknown key; expected one of {keys}; did you mean `command`?",
        (
            "7: servers.git.env.TOKEN: found `${GH_TOKEN}`, a variable that is not set; expected a value; "
            "set GH_TOKEN, or write `${GH_TOKEN:-default}`"
        ),
        "10: servers.web.timeout_s: found a number `-3`; expected greater than 0; correct it",
        "11: servers.web.era: found text `old`; expected `legacy` or `modern`; correct it",
        "12: servers.web.concurrency: found text `many`; expected a whole number; correct it",
        "13: servers.web.enabled: found text `maybe`; expected `true` or `false`; correct it",
        (
            "14: servers.both: found `command`, `url`; expected either `command` (a program) or `url` (an address); "
            "correct it"
        ),
        "15: servers.b c: found the name `b c`; expected 1 to 40 of A-Z a-z 0-9 _ -; choose another name",
        "17: servers.shell.command: found a list; expected text; correct it",
        "18: servers.shell.args: found text; expected a list; write it as a list (`- item` lines)",
        "19: servers.none: found nothing; expected either `command` (a program) or `url` (an address); correct it",
        f"20: gatway: found an unknown key; expected one of {known}; did you mean `gateway`?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: found an empty file; expected `servers:` with your MCP servers; run `hub init --force` for a start"),
        ("a:\n\t- b\n", "2: found a tab; expected spaces; replace the tab by spaces"),
        (
            "servers: [1]",
            "1: servers: found no mapping; expected servers by name (`name:` with its settings below); correct it",
        ),
        ("- a", "1: found no mapping; expected `servers:` with your MCP servers; run `hub init` for an example"),
        (
            "servers:\n  a: {command: x}\n  a: {command: y}\n",
            "3: servers.a: found the key a second time, first on line 2; expected it once; remove one",
        ),
        (
            "servers:\n  a: b: c\n",
            "2: found a second `: ` on the line; expected one key and one value; put the value in quotes",
        ),
        ("a: *b\n", "1: found an alias that no anchor defines; expected `&name` before `*name`; define it"),
        ("a: &a [*a]\n", "1: a[0]: found an alias inside of its own anchor; expected a finite value; remove the alias"),
        ("a: 1\n---\nb: 2\n", "2: found a second document; expected one; remove the line `---` and what follows"),
        (
            "a: !!python/object:os.system x\n",
            "1: a: found the tag `python/object:os.system`; expected a plain value; remove the tag",
        ),
        ("a: x\x00\n", "1: found a control character; expected text; remove the character"),
        ("? [a]\n: b\n", "1: found a list or mapping as a key; expected a name; write the key as text"),
        ("a: " + "[" * 2000 + "]" * 2000, "1: found values nested too deep; expected a few levels; remove the nesting"),
        (
            "servers: {a: {cwd: '${A-B}', command: x}}",
            "1: servers.a.cwd: found `${A-B}`; expected `${NAME}` or `${NAME:-default}`; write `$$` for a single `$`",
        ),
        (
            "servers: {a: {url: 'ftp://x'}}",
            "1: servers.a.url: found another address; expected `http://…` or `https://…`; correct it",
        ),
        (
            'servers: {a: {url: "http://x", headers: {"A B": x, C: "a\\nb"}}}',
            "1: servers.a.headers.A B: found another name; expected a header name; correct it",
        ),
        (
            "servers: {a: {command: x, prefix: hub}}",
            "1: servers.a.prefix: found the prefix `hub`; expected another: the hub's own tools have it; set `prefix`",
        ),
    ],
)
def test_a_broken_file_is_told_by_line(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, "")
    path.write_text(text, encoding="utf-8")

    assert mistakes_of(path)[0] == expected


def test_an_alias_that_multiplies_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    text = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *levels])

    assert "found more than 200000 values" in mistakes(tmp_path, text)[0]


def test_bytes_that_are_not_utf_8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_bytes(b"servers:\n  a: {command: \xff}\n")

    assert mistakes_of(path) == ["2: found bytes that are not UTF-8; expected UTF-8; save the file in that encoding"]


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))

    assert mistakes_of(path) == ["1: found more than 4 MiB; expected less; name the right file"]


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "hub.yaml")

    assert str(caught.value) == (f"{tmp_path}/hub.yaml: found no such file; expected a configuration; run `hub init`")


def test_two_owners_of_a_prefix_are_both_named(tmp_path: Path) -> None:
    text = """
        servers:
          a: {command: x}
          b: {command: x, prefix: a}
          c: {command: x, prefix: a, enabled: false}
          t: {command: x, transparent: true}
          u: {command: x, transparent: true}
    """

    assert mistakes(tmp_path, text) == [
        (
            "3: servers.b.prefix: found the prefix `a`, which `servers.a` (line 2) has too; expected one owner; "
            "set another `prefix`"
        ),
        (
            "6: servers.u.transparent: found a second transparent server, the first is `servers.t` (line 5); "
            "expected one at most; remove it here"
        ),
    ]


def test_a_mistake_never_shows_the_value_of_a_reference_or_of_a_private_key(tmp_path: Path) -> None:
    text = """
        servers:
          a:
            command: x
            headers: {Authorization: 12345678}
            timeout_s: ${SECRET}
    """
    found = mistakes(tmp_path, text, variables={"SECRET": "hunter2"})

    assert found == [
        "4: servers.a.headers.Authorization: found a number; expected text; put it in quotes",
        "5: servers.a.timeout_s: found text `${SECRET}`; expected a number; correct it",
    ]
