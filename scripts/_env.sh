# Sourced by the other scripts: finds Python 3.12 or newer and makes .venv in the checkout.
# Usage: . scripts/_env.sh [GROUP]   GROUP is "dev" for the tools and SDKs that the tests need.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${LLMITM_VENV:-$root/.venv}

fits() { "$1" -c 'import sys, venv, ssl, sqlite3; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.14 python3.13 python3.12 python3 python \
        $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 2>/dev/null | sort -rV) \
        /opt/homebrew/bin/python3 /usr/local/bin/python3; do
        if [ -n "$candidate" ] && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    command -v uv >/dev/null && uv python find '>=3.12' 2>/dev/null
}

make_venv() {
    local group=$1 python stamp
    stamp=$venv/.llmitm-$group-$(cksum <"$root/pyproject.toml" | cut -d' ' -f1)
    [ -e "$stamp" ] && return
    if [ ! -x "$venv/bin/python" ] || ! fits "$venv/bin/python"; then
        python=$(find_python) || true
        if [ -z "$python" ]; then
            echo "llmitm needs Python 3.12 or newer with venv: install one (python.org, pyenv, uv, apt) or set PYTHON=/path/to/python3" >&2
            exit 1
        fi
        echo "Making $venv with $("$python" --version)" >&2
        "$python" -m venv --clear "$venv"
    fi
    echo "Installing llmitm${group:+ ($group)}; this takes a minute once" >&2
    # uv resolves the SDKs in seconds where pip needs minutes.
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --upgrade pip uv &&
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -e "$root" ${group:+--group "$root/pyproject.toml:$group"} ||
        { echo "The installation failed; what is missing is said above" >&2; exit 1; }
    touch "$stamp"
}

make_venv "${1:-}"
export PATH="$venv/bin:$PATH"
