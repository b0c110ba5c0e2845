"""What everything speaks: counts, sizes, events, the book of a step, settings, forms. No torch, no format."""
