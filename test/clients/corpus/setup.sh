. ./need.sh
need kcat kcat
