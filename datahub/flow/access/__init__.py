"""Who asks, and what they wrote: what every door of a server needs."""
