"""Many videos, each made once, however often the process dies in between."""
