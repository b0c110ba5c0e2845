"""Where ``Setup`` was before the rooms; it is at home in ``vgg_profile.core.setting``."""

from vgg_profile.core.setting import Setup

__all__ = ["Setup"]
