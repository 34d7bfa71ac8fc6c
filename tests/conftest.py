"""The instruction sets that the factor step is tried with."""

import pytest

from pyminpack import _config, _minpack

ISAS = range(_minpack.best_isa() + 1)


@pytest.fixture(scope="module", params=ISAS, ids=[_config.ISAS[i] for i in ISAS])
def isa(request):
    """Each instruction set that this processor has: what a weaker one would run."""
    before = _minpack.isa() if _minpack.isa_is_chosen() else -1
    assert _minpack.choose_isa(request.param)
    yield request.param
    _minpack.choose_isa(before)
