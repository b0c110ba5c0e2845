"""Other tools that predict the memory of a training step, beside this one: reports/rivals.md."""
