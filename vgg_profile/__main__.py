"""``python -m vgg_profile`` is ``vgg-profile``."""

from vgg_profile.cli import main

if __name__ == "__main__":
    main(prog_name="vgg-profile")
