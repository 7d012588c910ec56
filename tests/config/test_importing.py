"""`hub import`: other clients' servers in hub.yaml, without their secrets, and without a change to the rest."""

from pathlib import Path

import pytest

from hub.config.importing import VariableToSet, import_servers, write_config
from hub.config.secrets_in_values import is_secret
from hub.errors import ConfigError
from tests.config.writing import write

_CLAUDE = """
    {
      "mcpServers": {
        "github": {
          "command": "npx",
          "args": ["-y", "server-github", "--api-key", "zzz", "--token=yyy", "--port", "8080",
                   "--header", "Authorization: Bearer abc"],
          "env": {"GITHUB_TOKEN": "ghp_abcdefghijklm123", "LOG_LEVEL": "info", "KEY_FILE": "/etc/key"}
        },
        "web": {
          "url": "https://me:pw@x.example/mcp?api_key=12345&page=1",
          "headers": {"Authorization": "Bearer q-q-q", "Accept-Language": "en"},
          "autoApprove": []
        },
        "other": {"command": "x", "env": {"GITHUB_TOKEN": "another"}}
      }
    }
"""
_SECRETS = ("zzz", "yyy", "abc", "ghp_", "pw", "12345", "q-q-q", "another")


def test_secrets_become_references_and_the_variables_to_set_are_told(tmp_path: Path) -> None:
    source = write(tmp_path, _CLAUDE, "claude.json")

    made = import_servers(source, tmp_path / "hub.yaml")

    assert made.after.splitlines() == [
        "# yaml-language-server: $schema=./hub.schema.json",
        "servers:",
        "  github:",
        "    command: npx",
        "    args:",
        "      - -y",
        "      - server-github",
        "      - --api-key",
        "      - ${GITHUB_API_KEY}",
        "      - --token=${GITHUB_GITHUB_TOKEN}",
        "      - --port",
        "      - '8080'",
        "      - --header",
        "      - 'Authorization: Bearer ${GITHUB_AUTHORIZATION}'",
        "    env:",
        "      GITHUB_TOKEN: ${GITHUB_TOKEN}",
        "      LOG_LEVEL: info",
        "      KEY_FILE: /etc/key",
        "  web:",
        "    url: https://me:${WEB_PASSWORD}@x.example/mcp?api_key=${WEB_API_KEY}&page=1",
        "    headers:",
        "      Authorization: Bearer ${WEB_AUTHORIZATION}",
        "      Accept-Language: en",
        "  other:",
        "    command: x",
        "    env:",
        "      GITHUB_TOKEN: ${OTHER_GITHUB_TOKEN}",
    ]
    assert VariableToSet(name="WEB_API_KEY", source=f"{source}:10: mcpServers.web.url") in made.variables
    assert made.added == ("github", "web", "other")
    assert made.notes == ("server `web`: left out `autoApprove`, which the hub does not use",)
    for secret in _SECRETS:
        assert secret not in made.after.replace("api_key", "")
        assert secret not in repr((made.variables, made.notes))


def test_a_merge_adds_lines_and_changes_no_other(tmp_path: Path) -> None:
    source = write(tmp_path, '{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}', "mcp.json")
    before = """
        # my hub
        servers:
            # what I note
            notes:   # kept
                command: "notes"
                args:
                - a

        # the endpoint
        gateway: {port: 1}   # ours
    """
    into = write(tmp_path, before)

    made = import_servers(source, into)

    old, new = made.before.splitlines(), made.after.splitlines()
    added = ["    time:", "      command: uvx", "      args: [mcp-server-time]"]
    assert new == [*old[:7], *added, *old[7:]]


def test_servers_in_braces_and_a_file_without_servers_are_merged_too(tmp_path: Path) -> None:
    source = write(tmp_path, '{"mcpServers": {"b": {"command": "y"}}}', "mcp.json")

    braces = import_servers(source, write(tmp_path, "# top\nservers: {a: {command: x}} # end\n"))
    without = import_servers(source, write(tmp_path, "gateway:\n  port: 1\n"))
    empty = import_servers(source, write(tmp_path, "servers:\ngateway: {port: 1}\n"))

    assert braces.after == "# top\nservers: {a: {command: x}, b: {command: y}} # end\n"
    assert without.after == "gateway:\n  port: 1\n\nservers:\n  b:\n    command: y\n"
    assert empty.after == "servers:\n  b:\n    command: y\ngateway: {port: 1}\n"


def test_a_server_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    source = write(tmp_path, '{"mcpServers": {"a": {"command": "new"}}}', "mcp.json")
    into = write(tmp_path, "servers: {a: {command: old}}\n")

    made = import_servers(source, into)

    assert (made.after, made.added, made.variables) == (made.before, (), ())
    assert made.notes == (f"server `a` is in {into} already and stays as it is",)


def test_a_prefix_that_both_files_use_stops_the_merge(tmp_path: Path) -> None:
    source = write(tmp_path, '{"mcpServers": {"a": {"command": "new"}}}', "mcp.json")

    with pytest.raises(ConfigError) as caught:
        import_servers(source, write(tmp_path, "servers:\n  b: {command: old, prefix: a}\n"))

    assert "found the prefix `a`, which `servers.b` (line 2) has too" in str(caught.value)


def test_questions_and_environment_files_of_vs_code_are_told_as_variables(tmp_path: Path) -> None:
    write(tmp_path, "SECRET=hunter2\n", ".env")
    text = """
        {
          "inputs": [{"id": "key", "description": "The key"}],
          "servers": {"a": {"type": "stdio", "command": "x", "args": ["${input:key}"], "envFile": ".env"}}
        }
    """
    made = import_servers(write(tmp_path, text, ".vscode/mcp.json"))

    assert made.variables == (
        VariableToSet(name="KEY", source="The key"),
        VariableToSet(name="SECRET", source="environment file of server `a`"),
    )
    assert "hunter2" not in made.after


def test_a_file_without_servers_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, "{}", "mcp.json")

    with pytest.raises(ConfigError) as caught:
        import_servers(source)

    assert str(caught.value) == (
        f"{source}:1: servers: found no servers; expected `mcpServers`, or `servers`, with at least one; "
        "name another file"
    )


def test_a_new_configuration_is_written_with_its_schema(tmp_path: Path) -> None:
    write_config(tmp_path / "new" / "hub.yaml", "servers: {}\n", with_schema=True)

    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["hub.schema.json", "hub.yaml"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("API_KEY", "x", True),
        ("PASSWORD", "x", True),
        ("ANYTHING", "sk-abcdefgh12345678", True),
        ("ANYTHING", "9f8b3c2a1d4e5f60718293a4b5c6d7e8", True),
        ("ANYTHING", "Bearer 9f8b3c2a1d4e5f60718293a4b5c6d7e8", True),
        ("KEY_FILE", "/etc/key", False),
        ("TOKEN", "${TOKEN}", False),
        ("USE_TOKEN", "true", False),
        ("MODEL", "a-rather-long-model-name", False),
        ("URL", "https://example.com/a/long/path/of/somewhere", False),
        ("TOKEN", "", False),
    ],
)
def test_secrets_are_told_from_other_values(key: str, value: str, expected: bool) -> None:
    assert is_secret(key, value) is expected
