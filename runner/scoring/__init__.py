"""The HTTP server of a deployment: `init()` once, `run(raw_data)` a request. Zipped into one file that any Python ≥ 3.8 runs."""
