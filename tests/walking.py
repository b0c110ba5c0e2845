"""Networks of anybody's own, walked."""

from __future__ import annotations

from hypothesis import strategies as st

from vgg_profile.core.setting import DEVICES
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.predict.vgg.configs import Config, Conv, Normalise, Pool
from vgg_profile.predict.vgg.walk import walk

# -- networks of one's own


tokens = st.one_of(
    st.builds(Conv, st.integers(1, 9), st.sampled_from([1, 3, 5, 7])), st.just(Pool()), st.just(Normalise())
)


own_configs = st.builds(
    Config,
    st.just("own"),
    st.tuples(st.lists(tokens, max_size=4), st.lists(tokens, max_size=5)).map(
        lambda two: (*two[0], Conv(4), *two[1])
    ),
    classifier=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    classes=st.integers(1, 9),
    in_channels=st.integers(1, 4),
    batch_norm=st.booleans(),
    pool=st.sampled_from([7, 1, 3, None]),
)


@st.composite
def own_walks(draw):
    """A small network of any make at an image that it can take, square or not, in any setting."""
    net = draw(own_configs)
    sides = st.integers(2**net.pools, 2**net.pools + 9)
    return walk(
        net,
        input=(net.in_channels, draw(sides), draw(sides)),
        batch=draw(st.integers(1, 1000)),
        dtype=draw(st.sampled_from(sorted(ITEMSIZE))),
        device=draw(st.sampled_from(DEVICES)),
    )
