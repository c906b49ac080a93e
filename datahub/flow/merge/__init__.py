"""Two lines of history become one, row by row."""
