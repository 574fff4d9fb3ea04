"""Generate Python code, type stubs and the descriptor image from the contracts in `protos/shuke`.

Everything comes from installed wheels, so that no schema registry is asked. Two files need help:
`buf/validate/validate.proto` is in no wheel, but protovalidate carries its descriptor, and
`google/longrunning/operations.proto` is in its wheel under another name.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from protovalidate import ViolationPb

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = PROTOS / "gen"
DEPENDENCIES = ROOT / "build" / "deps.binpb"
IMAGE = "shuke.binpb"

VALIDATE = "buf/validate/validate.proto"
OPERATIONS = "google/longrunning/operations.proto"
# What code uses beside what the contracts import: the details of an error.
ALSO_USED = ("google/rpc/code.proto", "google/rpc/error_details.proto", "google/rpc/status.proto", OPERATIONS)
# The wheels' source trees that the contracts may import from.
GOOGLE_PARTS = ("api", "longrunning", "rpc", "type")


class GenerationError(Exception):
    """protoc refused; its own words are already on the terminal."""


def main(arguments: list[str] | None = None) -> int:
    """Write `protos/gen`, or with --check only tell whether it is up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.gen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when protos/gen is out of date")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            fresh = Path(scratch) / "gen"
            generate(PROTOS, fresh, DEPENDENCIES)
            if options.check:
                return report(difference(fresh, GENERATED))
            replace(GENERATED, fresh)
    except GenerationError as error:
        print(f"gen: {error}", file=sys.stderr)
        return 1
    print(f"gen: {len(contents(GENERATED))} files in {GENERATED.relative_to(ROOT)}")
    return 0


def generate(protos: Path, output: Path, dependencies: Path) -> None:
    """Generate everything that comes from `protos/shuke` into the empty folder `output`."""
    sources = sorted(path.relative_to(protos).as_posix() for path in (protos / "shuke").rglob("*.proto"))
    if not sources:
        raise GenerationError(f"no .proto file under {protos.name}/shuke")
    output.mkdir(parents=True)
    write_dependencies(dependencies)
    reading = [f"--proto_path={protos}", f"--descriptor_set_in={dependencies}"]

    image = output / IMAGE
    run_protoc([*reading, "--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *sources])
    files = FileDescriptorSet.FromString(image.read_bytes()).file

    coded = [*sources, VALIDATE]
    run_protoc([*reading, f"--python_out={output}", *coded])
    foreign = {file.name for file in files if not file.name.startswith(("shuke/", "buf/", "google/protobuf/"))}
    run_protoc([*reading, plugin("mypy"), f"--mypy_out=quiet:{output}", *coded, *sorted(foreign.union(ALSO_USED))])

    # A file without services would get an empty module.
    served = [file.name for file in files if file.service and file.name.startswith("shuke/")]
    if served:
        run_protoc([*reading, f"--grpc_python_out={output}", *served])
    run_protoc([*reading, plugin("mypy_grpc"), f"--mypy_grpc_out=quiet:{output}", *served, OPERATIONS])


def write_dependencies(target: Path) -> None:
    """Write one descriptor set of all that the contracts may import, with its comments where a wheel has them."""
    site = Path(str(distribution("googleapis-common-protos").locate_file("")))
    well_known = Path(str(distribution("grpcio-tools").locate_file("grpc_tools/_proto")))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        renamed = Path(scratch) / OPERATIONS
        renamed.parent.mkdir(parents=True)
        shutil.copyfile(site / OPERATIONS.replace(".proto", "_proto.proto"), renamed)
        names = {
            path.relative_to(root).as_posix()
            for root, parts in ((site, GOOGLE_PARTS), (well_known, ("protobuf",)))
            for part in parts
            for path in (root / "google" / part).glob("*.proto")
        }
        names = {name for name in names if not name.endswith("_proto.proto")} | {OPERATIONS}
        roots = [f"--proto_path={root}" for root in (scratch, well_known, site)]
        found = Path(scratch) / "found.binpb"
        run_protoc(
            [*roots, "--include_imports", "--include_source_info", f"--descriptor_set_out={found}", *sorted(names)]
        )
        everything = FileDescriptorSet.FromString(found.read_bytes())
    everything.file.append(FileDescriptorProto.FromString(ViolationPb.desc().file.proto.to_binary()))
    target.write_bytes(everything.SerializeToString(deterministic=True))


def run_protoc(arguments: list[str]) -> None:
    """Run protoc in a process of its own, because it keeps state between runs."""
    finished = subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=False)
    if finished.returncode:
        raise GenerationError("protoc failed; its messages are above")


def plugin(name: str) -> str:
    """Name the protoc plug-in that was installed beside this Python."""
    return f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"


def contents(folder: Path) -> dict[str, bytes]:
    """Read a tree of generated files, without what Python left there."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def difference(fresh: Path, committed: Path) -> list[str]:
    """Name the files that differ between two generated trees."""
    new, old = contents(fresh), contents(committed)
    return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def report(names: list[str]) -> int:
    """Tell a developer what is out of date and what to do about it."""
    if not names:
        return 0
    print("gen: protos/gen is out of date; run `make gen` and commit the result:", file=sys.stderr)
    print("\n".join(f"  {name}" for name in names), file=sys.stderr)
    return 1


def replace(old: Path, new: Path) -> None:
    """Put a new tree in the place of an old one, so that nothing stale stays."""
    shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(new, old)


if __name__ == "__main__":
    sys.exit(main())
