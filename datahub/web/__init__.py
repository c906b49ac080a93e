"""The HTTP door: it adds no rule, calls Hub, and answers in the declared result shapes."""
