"""Do each effect on the server exactly once, and record it before and after."""
