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
        groups = tomllib.loads(project.text)["project"]["entry-points"]
        if not any(value.startswith(f"{module}:") for value in groups["tidings.channels"].values()):
            continue
        (folder / f"{module}.py").write_text(code.text, "utf-8")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
                for group, points in groups.items()
            )
        )
        return
    raise AssertionError(f"{document}: no package {module}")
