"""What a kernel takes in passing: one file a library, pure functions of shapes, no torch.

An operation's kernel allocates more than its result: a copy of a map in its own layout, columns, sums for
each thread. All of it goes through PyTorch's allocator and is given back before the operation returns, so it
counts toward the peak and toward nothing else. Each function here takes one operation's shapes, the processor
and the threads, and returns the allocations and releases in their order (:class:`~.events.Passing`).
"""
