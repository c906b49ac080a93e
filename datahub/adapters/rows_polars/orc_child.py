"""ORC stripes in, an Arrow stream out: runs as a script, in a process of its own.

pyarrow's ORC reader can end its whole process on corrupt bytes (a run of zeros is
enough), so it does not read data inside ours. Imports nothing of datahub.
"""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pyarrow.orc as orc
from pyarrow.fs import S3FileSystem


def main(path: str, columns: list[str] | None, *, far: bool) -> None:
    """Write one Arrow record batch for each stripe to standard output.

    What opens a file that is `far`, in a store that speaks S3, stands on standard input.
    """
    file = orc.ORCFile(S3FileSystem(**json.load(sys.stdin)).open_input_file(path) if far else path)
    stream = None
    for number in range(file.nstripes):
        batch = file.read_stripe(number, columns=columns)
        stream = stream or pa.ipc.new_stream(sys.stdout.buffer, batch.schema)
        stream.write_batch(batch)
    if stream is not None:
        stream.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1], json.loads(sys.argv[2]), far=len(sys.argv) > 3)
    except BrokenPipeError:  # nobody reads on
        sys.stderr.close()
    except (OSError, pa.ArrowException) as error:
        sys.exit(str(error))
