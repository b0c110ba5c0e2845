"""Where ``Fit`` was before the rooms; it is at home in ``vgg_profile.ask.fit``."""

from vgg_profile.ask.fit import DEFAULT_RESERVE, Fit, Reserve

__all__ = ["DEFAULT_RESERVE", "Fit", "Reserve"]
