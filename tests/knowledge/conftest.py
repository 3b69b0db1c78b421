"""What two chains that agree have learned."""

import pytest
from hand_made import new_chain, new_learned


@pytest.fixture
def learned():
    return new_learned(new_chain(), new_chain(1.2, shift=0.1))
