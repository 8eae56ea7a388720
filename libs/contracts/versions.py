"""The version that a caller means of something that is to be changed."""

type Expected = int | tuple[int, ...] | None
"""The version that a thing must have, or several of which it must have one; None for any.

Services of earlier releases know one version only: several are refused by them, and one is sent as
it always was.
"""


def is_expected(version: int, expected: Expected) -> bool:
    """Return whether a version is one that a thing may have."""
    if isinstance(expected, tuple):
        return version in expected
    return expected in (None, version)
