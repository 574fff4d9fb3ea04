"""The generated tree is what clients install: it must import, and carry what run time reads from it."""

from __future__ import annotations

import importlib
from pathlib import Path

from google.longrunning import operations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import gen

GENERATED_MODULES = sorted(path.relative_to(gen.GENERATED) for path in gen.GENERATED.rglob("*.py"))


def test_every_generated_module_imports() -> None:
    """Each module loads under the name that its proto package gives it."""
    assert GENERATED_MODULES
    for path in GENERATED_MODULES:
        importlib.import_module(".".join(path.with_suffix("").parts))


def test_the_tree_is_a_namespace() -> None:
    """No package file stands in the tree, so that `google` stays shared with the libraries."""
    assert list(gen.GENERATED.rglob("__init__.py*")) == []


def test_the_image_holds_imports_and_comments() -> None:
    """The image resolves by itself, and keeps the comments that the OpenAPI page shows."""
    files = {file.name: file for file in FileDescriptorSet.FromString((gen.GENERATED / gen.IMAGE).read_bytes()).file}
    assert {name for file in files.values() for name in file.dependency} <= files.keys()
    for name, file in files.items():
        if name.startswith("shuke/"):
            assert any(place.leading_comments for place in file.source_code_info.location), name


def test_operations_are_the_library_s() -> None:
    """The contracts share one Operation class with every other user of the library."""
    assert operations_pb2.Operation.DESCRIPTOR.file.name == gen.OPERATIONS
    assert not (gen.GENERATED / "google/longrunning/operations_pb2.py").exists()


def test_a_difference_is_named(tmp_path: Path) -> None:
    """The check names files that changed, are missing, or are left over."""
    for folder, files in {"old": {"a": "1", "b": "1", "c": "1"}, "new": {"a": "1", "b": "2", "d": "1"}}.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text, encoding="utf-8")
    assert gen.difference(tmp_path / "new", tmp_path / "old") == ["b", "c", "d"]
