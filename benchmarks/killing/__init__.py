"""The parts of `benchmarks/kill.py`: processes, killer, proxy and audit."""
