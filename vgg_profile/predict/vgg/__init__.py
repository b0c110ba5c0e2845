"""The VGG family on paper: configs, layers, the tape of a step. Integers alone."""
