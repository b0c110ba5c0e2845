"""Predict and run every network of the zoo: python examples/run_zoo.py [NAME …] [-o FILE.md]."""

from zoo.run import main

if __name__ == "__main__":
    main()
