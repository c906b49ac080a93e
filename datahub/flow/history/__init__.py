"""What happened: status, diff, why, edits of history, upkeep."""
