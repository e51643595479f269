. ./need.sh
need gcc gcc libc6-dev
if ! echo '#include <librdkafka/rdkafka.h>' | gcc -E - >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get install -y --no-install-recommends librdkafka-dev >&2 || { apt-get update >&2 && apt-get install -y --no-install-recommends librdkafka-dev >&2; }
  fi
fi
exit 0
