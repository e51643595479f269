. ./need.sh
. ./node.sh
node22
packages platformatic
