"""How hard to try: a bounded number of examples by default, many more with the `long` marker."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "long", parent=settings.get_profile("ci"), max_examples=3_000, derandomize=False
)


def pytest_configure(config: pytest.Config) -> None:
    """`pytest -m long` runs every property longer."""
    wanted = str(config.getoption("markexpr"))
    settings.load_profile("long" if wanted == "long" else "ci")
