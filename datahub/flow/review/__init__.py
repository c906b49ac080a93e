"""The second act: people are asked, and their answers taken."""
