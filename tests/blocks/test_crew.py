"""Who works on blocks: the tree that joins what comes of them, and how far ahead they are read."""

from collections.abc import Sequence

import numpy as np
import pytest

from pyminpack import leastsq
from pyminpack._blocks.crew import AHEAD, Tree

rng = np.random.default_rng(13)


class TestTree:
    def nested(self, count, order):
        tree = Tree(lambda first, second: (first, second))
        for index in order:
            tree.add(index, index)
        return tree.root()

    def by_levels(self, count):
        """The slow twin: neighbours in pairs, one that has none goes up as it is."""
        level = list(range(count))
        while len(level) > 1:
            level = [
                tuple(level[i : i + 2]) if i + 1 < len(level) else level[i]
                for i in range(0, len(level), 2)
            ]
        return level[0]

    @pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 13, 31, 100])
    def test_shape(self, count):
        """Protects the bits: whoever is first, the same pairs are joined."""
        expected = self.by_levels(count)
        assert self.nested(count, range(count)) == expected
        for _ in range(5):
            assert self.nested(count, rng.permutation(count).tolist()) == expected

    def test_keeps_little(self):
        """Protects memory: of blocks in order no more waits than there are levels."""
        tree = Tree(lambda first, second: first)
        most = 0
        for index in range(1000):
            tree.add(index, index)
            most = max(most, len(tree._waiting))
        assert most <= 10


class Reading(Sequence):
    """Blocks that are made when they are read, and say how many are in use."""

    def __init__(self, count):
        self.count, self.read, self.most = count, 0, 0
        self.done = []  # appended to by any thread

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        self.read += 1
        self.most = max(self.most, self.read - len(self.done))
        return index


@pytest.mark.parametrize("workers", [1, 3])
def test_reads_little_ahead(workers):
    """Protects memory: a million blocks are not read before the first is done."""
    blocks = Reading(200)

    def func(x, block):
        value = x * np.ones(2) - block
        blocks.done.append(block)
        return value

    x, _ = leastsq(func, 1.0, blocks=blocks, workers=workers)
    np.testing.assert_allclose(x, 99.5)
    assert blocks.most <= workers * AHEAD
