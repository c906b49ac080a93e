"""A dataset at a commit: its tables, parts, patches, votes and annotations."""
