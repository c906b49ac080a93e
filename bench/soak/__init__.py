"""Soak runs: long hunts for values that change, answers that get lost and gates that are fooled."""
