"""The parts of `benchmarks/kill.py`: what runs in other processes, who kills them, and who counts after."""
