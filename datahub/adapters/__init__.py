"""One port, one outside system, one file: the only place that imports it."""
