"""The session layer: one door through which every request leaves and every answer comes in."""
