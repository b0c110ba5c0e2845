"""Where ``memory`` was before the rooms; it is at home in ``vgg_profile.ask.cards``."""

from vgg_profile.ask.cards import memory

__all__ = ["memory"]
