"""Use cases, one file an act; ports come as keyword arguments."""
