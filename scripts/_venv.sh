# Makes or completes .venv; sourced by the other scripts with the extra to install as $1 (may be empty).
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extra=${1:-}
stamp=.venv/.installed${extra:+-$extra}

if ! [ "$stamp" -nt pyproject.toml ]; then
  python=${PYTHON:-python3}
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' || {
    echo "noisybench needs Python 3.11.4 or newer; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/a/newer/python3" >&2
    exit 2
  }
  [ -x .venv/bin/python ] || { echo "making .venv with $("$python" --version)" >&2; "$python" -m venv .venv; }
  echo "installing noisybench${extra:+ with the extra [$extra]}: torch is large, this takes some minutes the first time" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}"
  touch "$stamp"
fi
