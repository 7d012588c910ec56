"""The files of other MCP clients are read as they are."""

from pathlib import Path

import pytest

from hub.catalog.provider import Json
from hub.config import LoadedConfig
from hub.upstream.settings import ServerSettings
from tests.config.writing import load, mistakes, write


def servers_of(loaded: LoadedConfig) -> dict[str, Json]:
    return {
        name: ServerSettings.model_dump(server, exclude_defaults=True, exclude={"cwd"}, mode="json")
        for name, server in loaded.resolved.servers.items()
    }


def test_the_file_of_claude_desktop_is_read_as_it_is(tmp_path: Path) -> None:
    text = """
        {
          "globalShortcut": "",
          "mcpServers": {
            "filesystem": {"command": "npx", "args": ["-y", "server-filesystem", "/srv"], "env": {"DEBUG": "1"}},
            "my notes!": {"command": "notes", "disabled": true}
          }
        }
    """
    loaded = load(tmp_path, text, "claude_desktop_config.json")

    assert servers_of(loaded) == {
        "filesystem": {"command": "npx", "args": ["-y", "server-filesystem", "/srv"], "env": {"DEBUG": "1"}},
        "my_notes_": {"command": "notes", "enabled": False},
    }
    assert loaded.notes == (
        "the file: left out `globalShortcut`, which the hub does not use",
        "server `my notes!` is called `my_notes_` here: names have A-Z a-z 0-9 _ - only",
    )


def test_the_file_of_cursor_is_read_with_its_variables(tmp_path: Path) -> None:
    text = """
        {"mcpServers": {
          "web": {"url": "https://x/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}"}, "autoApprove": ["a"]},
          "old": {"url": "https://x/sse"},
          "typed": {"type": "streamable-http", "url": "https://${HOST:-y}/"},
          "disabled": {"serverUrl": "https://z/", "disabledTools": ["rm"], "type": "sse"},
          "here": {"command": "x", "args": ["${workspaceFolder}", "${workspaceFolderBasename}", "a$$b", "$HOME"]}
        }}
    """
    loaded = load(tmp_path, text, ".cursor/mcp.json", TOKEN="t0ken")

    assert servers_of(loaded) == {
        "web": {"url": "https://x/mcp", "headers": {"Authorization": "Bearer t0ken"}},
        "old": {"url": "https://x/sse", "transport": "sse"},
        "typed": {"url": "https://y/", "transport": "http"},
        "disabled": {"url": "https://z/", "hide": ["rm"], "transport": "sse"},
        "here": {"command": "x", "args": [str(tmp_path), tmp_path.name, "a$$b", "$HOME"]},
    }
    assert loaded.resolved.servers["here"].cwd == str(tmp_path)
    assert loaded.notes == (
        "server `web`: left out `autoApprove`, which the hub does not use",
        "server `old` is taken for the old HTTP+SSE transport, by the end of its URL",
    )


_VS_CODE = """
    // comments are kept by VS Code
    {
      "inputs": [{"id": "gh-token", "type": "promptString", "description": "GitHub token", "password": true}],
      "servers": {
        "git": {
          "type": "stdio", "command": "git-mcp",
          "env": {"TOKEN": "${input:gh-token}", "LEVEL": 3, "NOTHING": null},
          "envFile": "${workspaceFolder}/.env", /* read before env */
        },
        "web": {"type": "http", "url": "https://x/mcp", "gallery": "https://g"},
      },
    }
"""


def test_the_file_of_vs_code_is_read_with_comments_inputs_and_environment_files(tmp_path: Path) -> None:
    write(tmp_path, "# local\nexport A='one # two'\nB=\"x\\ny\" \nC=z # note\nLEVEL=9\nnonsense\n", ".env")

    loaded = load(tmp_path, _VS_CODE, ".vscode/mcp.json", GH_TOKEN="t0ken", A="not this one")

    assert servers_of(loaded) == {
        "git": {
            "command": "git-mcp",
            "transport": "stdio",
            "env": {"A": "one # two", "B": "x\ny", "C": "z", "LEVEL": "3", "TOKEN": "t0ken"},
        },
        "web": {"url": "https://x/mcp", "transport": "http"},
    }
    assert loaded.config.servers["git"].env["A"] == "${A}"
    assert [Path(name).name for name, *_ in loaded.stamp] == ["mcp.json", ".env"]


def test_an_input_of_vs_code_without_its_variable_says_which_one_to_set(tmp_path: Path) -> None:
    write(tmp_path, "", ".env")

    assert mistakes(tmp_path, _VS_CODE, ".vscode/mcp.json") == [
        (
            "7: servers.git.env.TOKEN: found a question of VS Code (GitHub token); expected its answer in a variable; "
            "set GH_TOKEN"
        )
    ]


def test_servers_in_the_settings_of_vs_code_are_found(tmp_path: Path) -> None:
    loaded = load(tmp_path, '{"mcp": {"servers": {"a": {"command": "x"}}}, "editor.tabSize": 2}', "settings.json")

    assert servers_of(loaded) == {"a": {"command": "x"}}


def test_json_with_the_keys_of_hub_yaml_is_a_hub_configuration(tmp_path: Path) -> None:
    text = '{"servers": {"a": {"command": "x", "timeout_s": 3}}, "gateway": {"port": 1}}'

    loaded = load(tmp_path, text, "hub.json")

    assert (servers_of(loaded), loaded.resolved.gateway.port) == ({"a": {"command": "x", "timeout_s": 3.0}}, 1)


def test_names_that_become_the_same_or_are_reserved_are_told_apart(tmp_path: Path) -> None:
    text = '{"mcpServers": {"a b": {"command": "x"}, "a/b": {"command": "y"}, "hub": {"command": "z"}}}'

    assert list(load(tmp_path, text, "mcp.json").resolved.servers) == ["a_b", "a_b_2", "hub_"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"mcpServers": {"a": {"command": 3}}}',
            "1: mcpServers.a.command: found a number `3`; expected text; put it in quotes",
        ),
        (
            '{"mcpServers": {"a": {"type": "ws"}}}',
            '1: mcpServers.a.type: found "ws"; expected stdio, http, streamable-http or sse; correct it',
        ),
        (
            '{\n"mcpServers": {"a": {}}}',
            "2: mcpServers.a: found nothing; expected either `command` (a program) or `url` (an address); correct it",
        ),
        (
            '{"mcpServers": {\n"a": {"envFile": ".env"}}}',
            (
                "2: mcpServers.a.envFile: found no readable file `.env`; expected NAME=value lines; "
                "make the file or remove the key"
            ),
        ),
        (
            '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}',
            "1: mcpServers.a: found the key a second time, first on line 1; expected it once; remove one",
        ),
        ('{\n"mcpServers": [}', "2: mcpServers[0]: found `}`; expected a JSON value; correct the syntax"),
        ('{"a": "b\n"}', "1: a: found a broken text; expected one in double quotes on one line; correct it"),
        ('{"a": "\\x"}', "1: a: found a broken text (Invalid \\escape); expected JSON; correct it"),
        ('{"a" 1}', "1: a: found `1`; expected `:` after the key; add it"),
        ('{"a": 1 "b": 2}', '1: found `"`; expected `,` or `}`; add it'),
        ("{a: 1}", '1: found `a`; expected a key in double quotes or `}`; write `"key"`'),
        ("{} x", "1: found `x` after the end; expected nothing more; remove it"),
        ('{"a": ' + "[" * 100, "1: a[0][0]: found values nested too deep; expected a few levels; remove the nesting"),
        ("{", '1: found the end of the file; expected a key in double quotes or `}`; write `"key"`'),
    ],
)
def test_a_mistake_in_json_is_told_under_the_file_s_own_keys(tmp_path: Path, text: str, expected: str) -> None:
    assert mistakes(tmp_path, text, "mcp.json")[0] == expected
