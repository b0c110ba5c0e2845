"""A zoo of networks that nobody here wrote, each predicted and then measured: reports/zoo.md."""
