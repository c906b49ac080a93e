"""Label models.

Votes are made: independent LFs, coverage log-uniform in 1..30% as in published sets,
accuracy 60..95%.
"""

from __future__ import annotations

from bench.harness import Case

CASES: tuple[Case, ...] = ()
