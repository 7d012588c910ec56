"""hub.yaml as it is read: values, defaults, places, and what may be shown."""

from pathlib import Path

from hub.config import EmbeddedSettings, HubConfig, difference, enabled_servers, load_embedded
from hub.config.merging import to_yaml
from hub.config.starter import starter_text
from hub.gateway.settings import GatewaySettings
from hub.sidecar import SidecarSettings
from hub.upstream.settings import ServerSettings
from tests.config.writing import load, write

DEFAULTS = EmbeddedSettings.model_validate({})
_WHOLE = """
    # a comment
    servers:
      git:
        command: uvx
        args: [mcp-server-git, --repository, .]
        cwd: repo
        timeout_s: 20
      tracker:
        url: https://mcp.example.com/mcp
        headers:
          Authorization: Bearer ${TOKEN}
        hide: ["delete_*"]
        enabled: ${ON:-true}
      old:
        url: http://127.0.0.1:${PORT:-9}/sse
        transport: sse
        enabled: false
    gateway:
      port: ${PORT}
      token_file: token
"""


def test_a_whole_file_becomes_settings_with_its_references_filled_in(tmp_path: Path) -> None:
    loaded = load(tmp_path, _WHOLE, TOKEN="s3cret-value", PORT="8123")

    assert loaded.resolved == HubConfig(
        servers={
            "git": ServerSettings.model_validate(
                {
                    "command": "uvx",
                    "args": ["mcp-server-git", "--repository", "."],
                    "cwd": str(tmp_path / "repo"),
                    "timeout_s": 20,
                }
            ),
            "tracker": ServerSettings.model_validate(
                {
                    "url": "https://mcp.example.com/mcp",
                    "headers": {"Authorization": "Bearer s3cret-value"},
                    "hide": ["delete_*"],
                    "enabled": True,
                }
            ),
            "old": ServerSettings.model_validate(
                {"url": "http://127.0.0.1:8123/sse", "transport": "sse", "enabled": False}
            ),
        },
        gateway=GatewaySettings.model_validate({"port": 8123, "token_file": str(tmp_path / "token")}),
    )
    assert list(enabled_servers(loaded.resolved)) == ["git", "tracker"]
    assert loaded.line("servers", "tracker", "headers", "Authorization") == 11


def test_what_may_be_shown_has_the_references_and_never_their_values(tmp_path: Path) -> None:
    loaded = load(tmp_path, _WHOLE, TOKEN="s3cret-value", PORT="8123")

    assert loaded.config.servers["tracker"].headers == {"Authorization": "Bearer ${TOKEN}"}
    assert loaded.config.servers["old"].url == "http://127.0.0.1:${PORT:-9}/sse"
    assert loaded.config.gateway.port == 8123
    for shown in (repr(loaded), repr(loaded.config), repr(loaded.resolved), to_yaml(loaded.config)):
        assert "s3cret-value" not in shown
    assert repr(loaded.resolved.servers["tracker"].headers) == "{'Authorization': 'Bearer ${TOKEN}'}"


def test_a_program_without_a_folder_runs_in_the_configuration_s_folder(tmp_path: Path) -> None:
    loaded = load(tmp_path, "servers: {a: {command: x}, b: {command: x, cwd: /srv}}")

    assert [server.cwd for server in loaded.resolved.servers.values()] == [str(tmp_path), "/srv"]
    assert [server.cwd for server in loaded.config.servers.values()] == [None, "/srv"]


def test_two_dollars_stand_for_one(tmp_path: Path) -> None:
    loaded = load(tmp_path, "servers: {a: {command: x, args: ['$${HOME}', a$b, '$$', '${A:-}${B:-b c}']}}")

    assert loaded.resolved.servers["a"].args == ("${HOME}", "a$b", "$", "b c")


def test_a_default_is_taken_for_a_variable_that_is_empty(tmp_path: Path) -> None:
    loaded = load(tmp_path, "servers: {a: {command: x, args: ['${A:-a}', '${B}']}}", A="", B="")

    assert loaded.resolved.servers["a"].args == ("a", "")


def test_values_may_be_shared_by_anchors_and_merged(tmp_path: Path) -> None:
    text = """
        servers:
          a: &shared
            command: x
            timeout_s: 5
          b:
            <<: *shared
            timeout_s: 6
    """
    servers = load(tmp_path, text).config.servers

    assert (servers["b"].command, servers["b"].timeout_s) == ("x", 6)


def test_a_file_with_a_mark_of_its_byte_order_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbfservers: {a: {command: x}}\r\n")

    assert list(load(tmp_path, path.read_text(encoding="utf-8")).config.servers) == ["a"]


def test_the_difference_names_servers_and_settings_that_changed(tmp_path: Path) -> None:
    old = load(
        tmp_path,
        "servers: {a: {command: x}, b: {command: '${C}'}, c: {command: x}, d: {command: x, enabled: false}}",
        C="1",
    )
    new = load(
        tmp_path,
        "servers: {d: {command: x}, b: {command: '${C}'}, a: {command: x}}\ngateway: {port: 1}",
        C="2",
    )

    found = difference(old, new)

    assert (found.added, found.removed, found.changed, found.gateway) == (("d",), ("c",), ("b",), ("port",))
    assert not difference(new, new)


def test_what_the_embedded_sidecar_is_told_is_read_alone_or_with_the_rest(tmp_path: Path) -> None:
    text = "sidecar: {retention_s: '${DAYS}', max_message_bytes: 2048}\n"

    loaded = load(tmp_path, text, DAYS="86400")
    alone = load_embedded(tmp_path / "hub.yaml", {"DAYS": "86400"})

    assert loaded.resolved.sidecar == alone
    assert (alone.retention_s, alone.max_message_bytes) == (86_400, 2048)
    assert difference(load(tmp_path, "servers: {}"), loaded).sidecar == ("retention_s", "max_message_bytes")
    assert load_embedded(tmp_path / "none.yaml") == load_embedded(tmp_path / "hub.yaml", {}) == DEFAULTS


def test_the_embedded_sidecar_has_the_defaults_of_the_one_that_runs_alone(tmp_path: Path) -> None:
    alone = SidecarSettings(db_path=tmp_path / "s.db")

    assert DEFAULTS.model_dump() == {name: getattr(alone, name) for name in EmbeddedSettings.model_fields}


def test_a_configuration_written_as_yaml_reads_back_the_same(tmp_path: Path) -> None:
    loaded = load(tmp_path, _WHOLE, TOKEN="t", PORT="1")

    again = load(tmp_path, to_yaml(loaded.config), TOKEN="t", PORT="1")

    assert again.resolved.servers == loaded.resolved.servers


def test_the_starter_is_a_right_configuration(tmp_path: Path) -> None:
    loaded = load(tmp_path, starter_text("/usr/bin/python3"))

    assert loaded.config.servers == {
        "notes": ServerSettings.model_validate({"command": "/usr/bin/python3", "args": ["-m", "mcp_servers.notes"]})
    }
