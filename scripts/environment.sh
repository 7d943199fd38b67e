# Sourced by the other scripts: `make_environment EXTRA...` makes .venv with this checkout and the extras installed in it.
# PYTHON names another interpreter, TILEWRIGHT_VENV another folder. A second run with nothing changed installs nothing.

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.10 or newer was found. On Debian and Ubuntu: apt-get install python3 python3-venv" >&2
    return 1
}

has_linker() {
    local name
    for name in ld.lld ld cc gcc clang; do
        command -v "$name" >/dev/null && return
    done
    return 1
}

make_environment() {
    local python venv extras stamp stamp_file
    python=$(find_python) || return 1
    venv=${TILEWRIGHT_VENV:-.venv}
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        local version
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "error: $python cannot make environments. On Debian and Ubuntu: apt-get install python$version-venv" >&2
        return 1
    fi
    extras=$(IFS=,; echo "$*")
    has_linker || extras="$extras,linker"
    stamp_file="$venv/installed-$extras"
    stamp="$("$python" -c 'import sys; print(sys.version)') $(cat pyproject.toml constraints.txt | sha256sum)"
    if [ ! -f "$stamp_file" ] || [ "$(cat "$stamp_file")" != "$stamp" ]; then
        echo "installing into $venv (the first time this takes some minutes: torch and MLIR are large)"
        "$python" -m venv "$venv" || return 1
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$extras]" || return 1
        echo "$stamp" >"$stamp_file"
    fi
    PATH="$(cd "$venv/bin" && pwd):$PATH"
    export PATH
}
