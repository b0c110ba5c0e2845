"""Where ``crosscheck`` was before the rooms; it is at home in ``vgg_profile.check.crosscheck``."""

from vgg_profile.check.crosscheck import crosscheck, overlay

__all__ = ["crosscheck", "overlay"]
