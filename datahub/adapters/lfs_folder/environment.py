"""The environment of a process that runs users' code: what is listed here, and nothing else.

Settings, keys and tokens of datahub, of clouds and of the shell are not. An LF that needs more is
given it by name: `environment` under [lf] in datahub.toml.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
    *("PYTHONHOME", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS"),
    *("PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"),
    *("POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
    "RUST_BACKTRACE",  # with it the lines of a panic have an end, by which they are left out
}
_BEGINNINGS = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "BLIS_", "VECLIB_")


def filter_environment(
    environment: Mapping[str, str], more: Collection[str] = ()
) -> dict[str, str]:
    """Return the variables that LFs may see, those named in `more` among them.

    >>> filter_environment({"PATH": "/bin", "LC_ALL": "C", "DATAHUB_LAKEFS_SECRET_ACCESS_KEY": "k"})
    {'PATH': '/bin', 'LC_ALL': 'C'}
    >>> filter_environment({"PATH": "/bin", "WORDS": "a"}, ["WORDS"])
    {'PATH': '/bin', 'WORDS': 'a'}
    """
    names = _NAMES | set(more)
    return {k: v for k, v in environment.items() if k in names or k.startswith(_BEGINNINGS)}
