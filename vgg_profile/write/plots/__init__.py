"""Figures drawn with matplotlib: SVG, PNG and PDF, or axes to build on.

Object-oriented throughout: no pyplot and no state, so nothing is shown or kept that nobody asked for. The
same figure gives the same bytes: no dates, no random ids.

``picture`` lays a figure out, ``panel`` draws its data and axes, ``labels`` writes what stands beside data,
``lettering`` breaks and stacks text, ``legend`` names the series, ``style`` holds sizes and colours;
``schemes`` makes one SVG for light and dark.
"""

from vgg_profile.write.plots.picture import draw, to_axes, to_bytes
from vgg_profile.write.plots.style import SIZES, SMALLEST, WIDTH

__all__ = ["SIZES", "SMALLEST", "WIDTH", "draw", "to_axes", "to_bytes"]
