"""What is measured and how: `python -m benchmarks NAME --json` prints one JSON object last.

Each benchmark starts what it needs (a studio on a data folder of its own, a cluster of the sandbox), cleans up after
itself, is bounded in time, and names the machine, the commit and the settings beside its figures.
"""
