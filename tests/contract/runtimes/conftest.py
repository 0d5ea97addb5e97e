from collections.abc import Iterator

import pytest

from tests.contract.runtimes.ground import Ground
from tests.lab.stands.stand import Stand, open_stand


@pytest.fixture(scope="module")
def shared_ground(stand: Stand) -> Iterator[Ground]:
    stand.clear()
    with open_stand(stand) as runtime:
        yield Ground(stand, runtime)
    stand.clear()


@pytest.fixture
def ground(shared_ground: Ground) -> Ground:
    """One workload, running and well; what the test before has done to it is made good first."""
    shared_ground.settle()
    return shared_ground
