"""How far an import has come, kept in a small file beside the imported one until the whole of it is done.

In play: `FILE.progress`, JSON, exchanged as a whole after every batch. It names the import, and with that every request
that the import makes (its idempotency keys), so that a batch whose response was lost is sent again and kept once. What
is lost of it after its first writing only makes the next run send batches again that the API knows. Written before a
batch is sent again without its refused lines, too: the next run must leave out the same ones.
"""

import os
from pathlib import Path
from typing import Final, Self

import msgspec

from tidings.cli.files.reading import BEGINNING, MessageFile, Place
from tidings.domain.errors import TidingsError
from tidings.domain.ids import new_id

SUFFIX: Final = ".progress"


class ProgressError(TidingsError):
    """The progress of an import cannot be kept, or is not that of this file."""


class State(msgspec.Struct):
    """What the file holds."""

    name: str
    url: str
    """Where it is imported to."""
    digest: str
    """Of what stands before the place: what comes after may be mended meanwhile."""
    place: Place = BEGINNING
    accepted: int = 0
    left_out: int = 0
    refused: dict[int, str] = {}
    """Lines of the next batch that the API refused, by number, with the reason."""


class ImportProgress:
    """The progress of one file's import."""

    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self.state = state

    @classmethod
    def of(cls, imported: Path, file: MessageFile, *, url: str, from_start: bool) -> Self:
        """The progress of an earlier run, unless it is to be forgotten; otherwise a new one, written to disk.

        Raises ProgressError where it cannot be read or written, or is not that of this import.
        """
        path = imported.with_name(imported.name + SUFFIX)
        state = None if from_start else _read(path)
        if state is None:
            progress = cls(path, State(name=str(new_id()), url=url, digest=file.digest(BEGINNING)))
            progress.write(lasting=True)
            return progress
        if state.url != url:
            raise ProgressError(
                f"{path}: was begun at {state.url}; go on there, or --from-start imports all of it here"
            )
        if file.digest(state.place) != state.digest:
            raise ProgressError(
                f"{imported}: has changed before line {state.place.lines + 1}, up to which it was imported; "
                "--from-start imports all of it"
            )
        return cls(path, state)

    def key_of(self, first_line: int, messages: int) -> str:
        """The idempotency key of a request."""
        return f"import-{self.state.name}-{first_line}-{messages}"

    def refuse(self, lines: dict[int, str]) -> None:
        """Lines of the next batch that go no further."""
        self.state.refused |= lines
        self.write()

    def advance(self, place: Place, digest: str, *, accepted: int, left_out: int) -> None:
        """A batch is done with."""
        self.state = msgspec.structs.replace(
            self.state,
            place=place,
            digest=digest,
            accepted=self.state.accepted + accepted,
            left_out=self.state.left_out + left_out,
            refused={},
        )
        self.write()

    def write(self, *, lasting: bool = False) -> None:
        """Exchanges the file; with `lasting` it survives a power cut. Raises ProgressError."""
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(self.state))
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise ProgressError(f"{self._path}: the progress cannot be kept: {error.strerror}") from None

    def forget(self) -> None:
        """The whole file is imported."""
        self._path.unlink(missing_ok=True)


def _read(path: Path) -> State | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ProgressError(f"{path}: cannot be read ({error}); --from-start forgets it") from None
