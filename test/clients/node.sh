# node22 sets NODE to a Node of at least 22.22: the one on the path, or one from
# npm in the cache. Sourced by the Node clients after need.sh.
node22() {
  need npm nodejs npm
  NODE=$(command -v node)
  new_enough "$NODE" && return
  NODE=$CACHE_ROOT/node/node_modules/node/bin/node
  new_enough "$NODE" && return
  npm install --prefix "$CACHE_ROOT/node" --no-fund --no-audit --loglevel error node@22 >&2
  new_enough "$NODE" && return
  echo "it needs Node 22.22; $(node --version) is installed, and npm could not bring node@22"
  exit 3
}

new_enough() {
  [ -x "$1" ] && "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 22) ? 0 : 1)'
}

# packages copies a client's files beside its installed modules.
packages() {
  once "$1/package.json" install_packages "$1"
  cp "$1"/client.* "$1"/member.* "$1"/drops.* feature.cjs "$CACHE"
}

install_packages() {
  rm -rf "$CACHE/node_modules" "$CACHE/package-lock.json"
  cp "$1/package.json" "$CACHE" && npm install --prefix "$CACHE" --no-fund --no-audit --loglevel error
}
