"""The packages that a document shows, as pip would have installed them."""

import tomllib
from pathlib import Path

from tests.docs.blocks import blocks


def install(document: Path, module: str, folder: Path) -> None:
    """Puts one module of a document, which the next `toml` block registers, into a folder for Python's path."""
    found = blocks(document)
    for code, project in zip(found, found[1:] + found[:1], strict=True):
        if code.language != "python" or project.language != "toml":
            continue
        points = tomllib.loads(project.text)["project"]["entry-points"]["tidings.channels"]
        if not any(value.startswith(f"{module}:") for value in points.values()):
            continue
        (folder / f"{module}.py").write_text(code.text, "utf-8")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[tidings.channels]\n{lines}\n")
        return
    raise AssertionError(f"{document}: no package {module}")
