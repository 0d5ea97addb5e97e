import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Prefect's client speaks asyncio only."""
    return "asyncio"
