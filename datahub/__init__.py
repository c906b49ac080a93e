"""datahub: data-centric labeling with versioned datasets."""

__version__ = "0.1.0"
