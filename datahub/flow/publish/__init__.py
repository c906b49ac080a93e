"""The third act: gate, merge and audit."""
