"""What `make bench` and ADRs measure with: programs, run as `python -m benchmarks.NAME`."""
