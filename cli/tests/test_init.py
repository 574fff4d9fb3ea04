"""`shuke init`: the keys of a suite whose services are deployed one by one."""

from __future__ import annotations

from pathlib import Path

from chassis.clock import system_clock
from chassis.principals import Principal
from chassis.tokens import Signer, Verifier, read_trust
from chassis.vault import read_keys
from cli.suite import SEALING
from cli.tests.running import Shell


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_process_gets_keys_that_the_others_trust(tmp_path: Path) -> None:
    """What a service signs with its file is good for the others by the trust file, and no secret is for other users."""
    folder = tmp_path / "new"
    assert Shell("", tmp_path).type("init", str(folder)).exit_code == 0
    trust = read_trust(folder / "trust.json")
    assert trust.keys() == {"customer", "tiering", "ticketing", "notify", "gateway"}
    for name in trust:
        signer = Signer(name, (folder / "keys" / f"{name}.signing").read_text(), system_clock)
        token = signer.sign(Principal(f"services/{name}", ("events.read",)), "customer")
        assert Verifier("customer", trust, system_clock).verify(token).name == f"services/{name}"
    for service in SEALING:
        assert all(read_keys((folder / "keys" / f"{service}.{key}").read_text()) for key in ("vault", "index"))
    secret = [folder / "admin.token", *(folder / "keys").iterdir()]
    assert {path.stat().st_mode & 0o077 for path in (folder, *secret)} == {0}


def test_keys_are_made_once(tmp_path: Path) -> None:
    """A second start of the same folder overwrites nothing: lost keys are lost data."""
    shell, folder = Shell("", tmp_path), tmp_path / "new"
    shell.type("init", str(folder))
    before = contents(folder)
    assert shell.type("init", str(folder)).exit_code == 0
    assert contents(folder) == before


def test_a_folder_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    """Somebody's own folder gets no keys, and keeps its access rights."""
    (tmp_path / "letter").touch(0o644)
    tmp_path.chmod(0o755)
    said = Shell("", tmp_path).refused(1, "init", str(tmp_path))
    assert "holds something else" in said
    assert (contents(tmp_path), tmp_path.stat().st_mode & 0o777) == ({"letter": b""}, 0o755)
