"""`make dapr`, up to the point where the compiler would start."""

import os
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).with_name("build.sh")
_PROGRAMS = ("daprd", "placement", "scheduler")


def _build(tmp_path: Path, *, go: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the script where the only `go` is one that tells this version."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("bash", "dirname", "env", "head", "sort"):
        (bin_folder / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    if go is not None:
        _make_program(bin_folder / "go", f"#!/bin/sh\necho {go}\n")
    environment = {"PATH": str(bin_folder), "HOME": str(tmp_path), **variables}
    return subprocess.run([_SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=False)


def _make_program(path: Path, text: str = "#!/bin/sh\n") -> None:
    path.write_text(text)
    path.chmod(0o755)


def _fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in _PROGRAMS:
        _make_program(folder / name)
    return folder


def test_programs_in_the_cache_are_taken_at_once(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "cache" / "interop-hub" / "dapr-1.18.2")

    done = _build(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))

    assert (done.returncode, done.stdout, done.stderr) == (0, f"dapr: found in {folder}\n", "")


def test_the_cache_is_below_the_home_folder_by_default(tmp_path: Path) -> None:
    folder = _fill(tmp_path / ".cache" / "interop-hub" / "dapr-1.18.2")

    assert _build(tmp_path).stdout == f"dapr: found in {folder}\n"


def test_programs_of_the_user_s_own_are_taken(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "mine")

    done = _build(tmp_path, DAPR_BIN_DIR=str(folder))

    assert (done.returncode, done.stdout) == (0, f"dapr: found in {folder}\n")


def test_a_folder_that_lacks_one_is_told(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "mine")
    (folder / "scheduler").unlink()

    done = _build(tmp_path, DAPR_BIN_DIR=str(folder))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"dapr: DAPR_BIN_DIR is {folder}, which lacks one of daprd placement scheduler; unset it to build them\n"
    )


def test_a_missing_compiler_is_told_with_what_to_do(tmp_path: Path) -> None:
    done = _build(tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        "dapr: building Dapr 1.18.2 needs Go 1.26.5 or later, and there is no 'go' in PATH; install it, "
        "or set DAPR_BIN_DIR to a folder that has daprd placement scheduler\n"
    )


@pytest.mark.parametrize("version", ["go1.9", "go1.26.4", "go1.26rc1", "go1.26.5"])
def test_only_a_compiler_that_is_too_old_is_refused(tmp_path: Path, version: str) -> None:
    done = _build(tmp_path, go=version)

    complaint = f"dapr: building Dapr 1.18.2 needs Go 1.26.5 or later, found {version.removeprefix('go')}\n"
    assert (complaint in done.stderr) == (version != "go1.26.5")
    assert done.returncode != 0, "the stand-in compiles nothing"


def test_the_pins_agree() -> None:
    module = _SCRIPT.with_name("go.mod").read_text()
    script = _SCRIPT.read_text()

    from hub.app.dapr_programs import PROGRAMS, VERSION

    assert f"github.com/dapr/dapr v{VERSION}" in module
    assert f"version={VERSION}\n" in script
    assert all(f"github.com/dapr/dapr/cmd/{name}\n" in module for name in PROGRAMS)
    assert os.access(_SCRIPT, os.X_OK)
