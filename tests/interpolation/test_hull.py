"""Convex hulls: against SciPy's triangulation and constructed points."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from ftlearn.interpolation.weights.geometry import inside_hull


@pytest.mark.parametrize("width", [2, 3])
def test_it_agrees_with_a_triangulation(width):
    random = np.random.default_rng(width)
    cloud = random.normal(size=(25, width))
    points = 1.5 * random.normal(size=(60, width))
    expected = Delaunay(cloud).find_simplex(points) >= 0
    found = [inside_hull(point, cloud) for point in points]
    assert found == expected.tolist()
    assert 5 < sum(found) < 55


def test_means_are_inside_and_points_beyond_the_farthest_are_not():
    random = np.random.default_rng(0)
    cloud = random.normal(size=(40, 30))
    shares = random.dirichlet(np.ones(40))
    assert inside_hull(shares @ cloud, cloud)
    assert inside_hull(cloud[7], cloud)
    direction = random.normal(size=30)
    beyond = cloud[np.argmax(cloud @ direction)] + 0.01 * direction
    assert not inside_hull(beyond, cloud)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) and \(5, 2\)"):
        inside_hull(np.zeros(3), np.zeros((5, 2)))
