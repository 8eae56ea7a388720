"""Texts into vectors, behind one small port."""

import hashlib
from pathlib import Path
from typing import Protocol

import numpy as np

type Vector = np.ndarray[tuple[int], np.dtype[np.float32]]


class Embedder(Protocol):
    """A model that makes vectors of texts; calls take milliseconds and run in threads."""

    @property
    def name(self) -> str:
        """Name and fingerprint: vectors of two models, or of two ways to cut texts, never mix."""
        ...

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        ...

    @property
    def similarity_min(self) -> float | None:
        """The similarity below which texts have nothing in common; None for no such limit."""
        ...

    def embed(self, text: str) -> Vector:
        """Return the vector of a text, of length 1."""
        ...


class BadVector(Exception):
    """A model made a vector that has another length, or holds something that is no number."""


class ModelUnusable(Exception):
    """A model cannot be loaded: the reason is said."""


def checked(vector: Vector, dimension: int) -> Vector:
    """Return *vector* with length 1.

    Raises:
        BadVector: It cannot be searched with.
    """
    if vector.shape != (dimension,):
        raise BadVector(f"a vector of shape {vector.shape} instead of ({dimension},)")
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        raise BadVector("a vector that is not finite, or nought")
    return (vector / length).astype(np.float32)


def require(path: Path, sha256: str) -> None:
    """Return when a file is the one that was tested.

    Raises:
        ModelUnusable: It is not, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnusable(f"{path.name}: {error}") from error
    if found != sha256:
        raise ModelUnusable(f"{path.name} is not the file that was tested: sha256 {found}")
