"""Parts of a Markdown file that a program writes, between two markers that name it."""

from pathlib import Path


def put(file: Path, program: str, text: str) -> None:
    """Puts the text between the markers of this program. Raises ValueError where the file has none."""
    begin, end = f"<!-- begin: written by `{program}` -->", f"<!-- end: written by `{program}` -->"
    whole = file.read_text("utf-8")
    before, found, rest = whole.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{file} has no place for what `{program}` writes")
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
