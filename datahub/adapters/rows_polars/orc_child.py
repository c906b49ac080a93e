"""ORC stripes in, Arrow streams out: runs as a script, in a process of its own.

pyarrow's ORC reader can end its whole process on corrupt bytes (a run of zeros is
enough), so it does not read data inside ours. Imports nothing of datahub.

A line on standard input is [path, columns or null, null or what opens a store that speaks S3, in
which the path then is]: keys go no other way, for a command line can be seen by all. The answer on
standard output is an Arrow stream with one batch for each stripe, and then a byte: MORE, or LAST
where this process has grown too large to be asked again. What cannot be read ends the process.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as orc

MORE, LAST = b"+", b"."
ENOUGH = 160 * 2**10  # kilobytes of memory: pyarrow alone is 70 MB


def answer(path: str, columns: list[str] | None, store: dict[str, Any] | None) -> None:
    """Write the stripes of one file, of which there is one at least."""
    file = orc.ORCFile(path if store is None else open_input(path, store))
    batch = file.read_stripe(0, columns=columns)
    with pa.ipc.new_stream(sys.stdout.buffer, batch.schema) as stream:
        stream.write_batch(batch)
        for number in range(1, file.nstripes):
            stream.write_batch(file.read_stripe(number, columns=columns))


def open_input(path: str, store: dict[str, Any]) -> Any:
    """A file in a store that speaks S3."""
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(**store).open_input_file(path)


def has_grown() -> bool:
    """Whether a new process should answer the next."""
    try:  # ru_maxrss may be that of the process that started this one: Linux keeps it
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return any(int(li.split()[1]) > ENOUGH for li in status if li.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 > ENOUGH  # macOS: bytes


def main() -> None:
    """Answer until nobody asks any more."""
    for line in sys.stdin:
        answer(*json.loads(line))
        must_end = has_grown()
        sys.stdout.buffer.write(LAST if must_end else MORE)
        sys.stdout.buffer.flush()
        if must_end:
            return


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # nobody reads on
        sys.stderr.close()
    except (OSError, pa.ArrowException) as error:
        sys.exit(str(error))
