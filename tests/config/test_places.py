"""Where things live, who runs, and what is passed on."""

import hashlib
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.config import (
    Places,
    Running,
    base_env,
    find_config,
    hold_lock,
    read_running,
    remove_running,
    token_from,
    write_running,
)
from hub.errors import ConfigError

_STARTED = datetime(2026, 7, 28, tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Places.of(tmp_path / "my project" / "hub.yaml")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_each_configuration_has_a_folder_of_its_own_that_only_its_owner_may_enter(
    places: Places, tmp_path: Path
) -> None:
    places.make()

    digest = hashlib.sha256(bytes(tmp_path / "my project" / "hub.yaml")).hexdigest()[:8]
    assert places.state == tmp_path / "state" / "interop-hub" / f"my_project-{digest}"
    assert (mode(places.state), mode(places.logs)) == (0o700, 0o700)
    assert places.log_of("git") == places.state / "logs" / "git.log"


def test_the_state_folder_is_the_user_s_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")

    assert Places.of(tmp_path / "hub.yaml").state.parent == tmp_path / ".local" / "state" / "interop-hub"


def test_the_configuration_is_the_given_one_else_the_folder_s_else_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    user, here = tmp_path / "config" / "interop-hub" / "hub.yaml", tmp_path / "hub.yaml"
    user.parent.mkdir(parents=True)

    with pytest.raises(ConfigError) as caught:
        find_config()
    user.touch()
    users = find_config()
    here.touch()

    assert (users, find_config(), find_config(Path("x.json"))) == (user, here, tmp_path / "x.json")
    assert str(caught.value) == (
        f"found no configuration; expected ./hub.yaml or {user}; run `hub init`, or name a file with `-c`"
    )


def test_a_state_folder_that_can_t_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    with pytest.raises(ConfigError) as caught:
        Places.of(tmp_path / "hub.yaml").make()

    assert "set XDG_STATE_HOME to one that can be written" in str(caught.value)


def test_the_seal_key_is_made_once_and_a_broken_one_is_replaced(places: Places) -> None:
    key = places.seal_key()
    again = places.seal_key()
    (places.state / "seal.key").write_bytes(b"short")
    new = places.seal_key()

    assert (len(key), again == key, len(new), new == key) == (32, True, 32, False)
    assert mode(places.state / "seal.key") == 0o600
    assert sorted(path.name for path in places.state.iterdir()) == ["logs", "seal.key"]


def test_eras_are_remembered_and_a_broken_file_is_none(places: Places) -> None:
    places.make()
    unknown = places.read_eras()
    places.write_eras({"a": "modern", "b": "legacy"})
    known = places.read_eras()
    places.eras.write_text("{", encoding="utf-8")

    assert (unknown, known, places.read_eras()) == ({}, {"a": "modern", "b": "legacy"}, {})


def test_a_running_hub_is_found_until_it_takes_its_file_back(places: Places) -> None:
    written = write_running(places, url="http://127.0.0.1:8080/mcp", token="t0ken", started_at=_STARTED)
    found = read_running(places)
    file_mode = mode(places.running)
    remove_running(places)

    assert found is not None
    assert found == written
    assert (found.url, found.pid, found.token, found.started_at) == (
        "http://127.0.0.1:8080/mcp",
        os.getpid(),
        "t0ken",
        _STARTED,
    )
    assert file_mode == 0o600
    assert "t0ken" not in repr(found) + str(found)
    assert read_running(places) is None


def test_the_file_of_a_dead_process_is_ignored_and_removed(places: Places) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(20)
    places.make()
    places.running.write_text(
        Running(url="http://x", pid=process.pid, started_at=_STARTED).model_dump_json(), encoding="utf-8"
    )

    assert read_running(places) is None
    assert not places.running.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process started")
def test_another_process_under_the_same_number_is_not_the_hub(places: Places) -> None:
    written = write_running(places, url="http://x", token=None, started_at=_STARTED)
    later = written.model_copy(update={"process_start": "another-boot:1"})
    places.running.write_text(later.model_dump_json(), encoding="utf-8")

    assert read_running(places) is None


def test_a_broken_running_file_is_removed(places: Places) -> None:
    places.make()
    places.running.write_text("{", encoding="utf-8")

    assert read_running(places) is None
    assert not places.running.exists()


def test_only_the_own_file_is_taken_back(places: Places) -> None:
    places.make()
    other = Running(url="http://x", pid=os.getppid(), started_at=_STARTED)
    places.running.write_text(other.model_dump_json(), encoding="utf-8")

    remove_running(places)

    assert read_running(places) == other


def test_one_process_at_a_time_holds_the_lock(places: Places) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom hub.config import Places, hold_lock\n"
        "with hold_lock(Places.of(Path(sys.argv[1]))) as is_first:\n    print(is_first)\n"
    )

    def claim() -> str:
        command = [sys.executable, "-c", program, str(places.config)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    with hold_lock(places) as is_first:
        while_held = claim()

    assert (is_first, while_held, claim()) == (True, "False", "True")


def test_programs_get_only_the_listed_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("HOME", "/home")
    monkeypatch.setenv("HUB_TOKEN", "t0ken")

    assert base_env() == {"HOME": "/home", "PATH": "/bin"}


def test_the_token_comes_from_the_file_s_first_line_else_from_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("from-file \nmore\n", encoding="utf-8")
    monkeypatch.delenv("HUB_TOKEN", raising=False)
    none = token_from(None)
    monkeypatch.setenv("HUB_TOKEN", "from-variable")

    assert (none, token_from(None), token_from(file)) == (None, "from-variable", "from-file")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "found no readable text; expected one line; write the token there"),
        ("", "found an empty first line; expected the token; write it there"),
        ("a b", "found blanks or characters outside ASCII; expected a token without; make a new one"),
    ],
)
def test_a_token_file_that_can_t_be_used_is_told_without_its_content(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        token_from(file)

    assert str(caught.value) == f"token file {file}: {expected}"
