"""The **fake** pen: any module's own forward, PyTorch's own autograd and optimizer, on tensors without data.

What lives and until when is decided by PyTorch itself; no weight is allocated and no kernel of the step
is run. What a kernel takes in passing comes from ``temporaries``.
"""
