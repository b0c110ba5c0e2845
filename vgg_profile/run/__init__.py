"""One training step of any ``nn.Module``, as a training loop writes it, with a mark where each part begins.

It runs on real tensors, under the instruments of ``measure``, and on fake ones, for ``predict.fake``. Both
therefore see the same boundaries. It knows no instrument and nothing that is predicted.
"""
