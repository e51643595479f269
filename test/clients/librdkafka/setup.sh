. ./need.sh
need python3 python3 python3-venv
[ -x "$CACHE/venv/bin/pip" ] || python3 -m venv "$CACHE/venv" >&2 || {
  echo "python3 cannot make a virtual environment (package python3-venv)"
  exit 3
}
once librdkafka/requirements.txt "$CACHE/venv/bin/pip" install -q -r librdkafka/requirements.txt
