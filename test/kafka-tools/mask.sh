# mask.sh TRANSCRIPT HOST:PORT DIRECTORY: the transcript without what differs between any two
# runs: ids, times, sizes, the port, the directory of the data, the widths of columns and where
# in the tool's code an exception was thrown.
sed -E \
  -e '/^\s+(at |\.\.\. [0-9]+ more)/d' \
  -e "s|$2|HOST:PORT|g; s|\b(port: ?)${2##*:}\b|\1PORT|g; s|$3|DIRECTORY|g; s|127\.0\.0\.1:[0-9]+|HOST:PORT|g" \
  -e 's/^(ClusterId|LeaderEpoch|HighWatermark|MaxFollower\w+): .*/\1: N/' \
  -e 's/console-consumer-[0-9]+/console-consumer-N/g' \
  -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ID/g' \
  -e 's/(TopicId: )[A-Za-z0-9_-]{22}/\1ID/; s/[A-Za-z0-9_-]{22}( +\/127)/ID\1/' \
  -e 's/\b1[0-9]{12}\b/TIME/g; s|Epoch: [0-9]+|Epoch: N|; s/"size":[0-9]+/"size":N/g' \
  -e 's/\}, ?\{/},\n {/g; s/([^ ]) {2,}/\1 /g; s/[ \t]+$//' "$1"
