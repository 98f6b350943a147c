# Sourced by the other scripts: makes .venv and installs into it what is missing or has changed.

fail() {
    echo "kernelbox: $*" >&2
    exit 1
}

need_python() {
    command -v "$python" >/dev/null ||
        fail "Python 3.11 or later is needed: install python3 (on Debian and Ubuntu: apt install python3 python3-venv)."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or later is needed, and $python is $("$python" -V 2>&1 | cut -d' ' -f2): set PYTHON to a later one."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is missing: install it (on Debian and Ubuntu: apt install python3-venv)."
}

# setup FILE…: the requirements in FILE and all that it includes.
setup() {
    local python="${PYTHON:-python3}" wanted stamp=".venv/.installed-$1"
    wanted="$(cat requirements*.txt pyproject.toml 2>/dev/null | cksum || true) $1"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -x .venv/bin/python ]; then
        return
    fi
    need_python
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        echo "kernelbox: making .venv" >&2
        rm -rf .venv
        "$python" -m venv .venv
    fi
    echo "kernelbox: installing $1 (a minute or two on the first start)" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$1" ||
        fail "The requirements could not be installed; pip says above why."
    # The project itself, where it lies: its kernel provisioner is found by its entry point.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e . ||
        fail "The project could not be installed; pip says above why."
    echo "$wanted" >"$stamp"
}
