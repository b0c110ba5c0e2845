"""VGG-19 with batch norm (config E), typed out by hand, with ten mistakes of the usual kinds.

Python accepts it as it is; a batch of images would fail at one mistake at a time. To see all at once:

    vgg-profile diagnose examples/broken_vgg19.py:vgg19 --like E-BN

``broken_vgg19.md`` fixes them one by one.
"""

from torch import nn


def vgg19(classes=1000):
    """Images of 224×224 in, one score a class out."""
    nn.Sequential(
        # 224
        nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.MaxPool2d(2),
        # 112
        nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(True),
        nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.MaxPool2d(2),
        # 56
        nn.Conv2d(64, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(True),
        nn.Conv2d(256, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(True),
        nn.Conv2d(256, 265, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(True),
        nn.Conv2d(256, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(True),
        nn.MaxPool2d(2),
        # 28
        nn.Conv2d(256, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.Conv2d(512, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.Conv2d(512, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.MaxPool2d(2),
        # 14
        nn.Conv2d(512, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.Conv2d(512, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.Conv2d(512, 512, 3, padding=1), nn.BatchNorm2d(512), nn.ReLU(True),
        nn.Conv2d(512, 512, 3, padding=1),
        nn.MaxPool2d(2),
        # 7
        nn.AdaptiveAvgPool2d(7),
        nn.Linear(512 * 8 * 8, 4096), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(),
        nn.Linear(4096, classes),
    )  # fmt: skip
