. ./need.sh
. ./node.sh
need npm nodejs npm
packages kafkajs
