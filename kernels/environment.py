"""Which of the server's environment variables a kernel gets to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: What ordinary programs need. An allow-list: the server's secrets (its token, the database's
#: password, cloud keys) are whatever is not named here.
ORDINARY = frozenset(
    [
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "TMPDIR",
        "TEMP",
        "TMP",
        "PWD",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SYSTEMROOT",
    ]
)
ORDINARY_PREFIXES = ("LC_", "XDG_", "JUPYTER_", "IPYTHON", "MPL", "OMP_", "OPENBLAS_", "MKL_")


def kernel_environment(environ: Mapping[str, str], wanted: Iterable[str] = ()) -> dict[str, str]:
    """The ordinary variables of ``environ`` and those named in ``wanted``."""
    names = ORDINARY | frozenset(wanted)
    return {
        name: value
        for name, value in environ.items()
        if name in names or name.startswith(ORDINARY_PREFIXES)
    }
