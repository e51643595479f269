set -e
. ./feature.sh
# Stock clients of other folders, over mutual TLS and over SASL and TLS, against a broker
# of their own. A client that its own folder has not installed is skipped.
lockstep=../../bin/lockstep
work=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || { kill "$broker"; wait "$broker" || true; }
  rm -rf "$work"
}
trap finish EXIT

"$lockstep" cert "$work/certs" --node 1 --client tester >"$work/cert.log" 2>&1
cat "$work/certs/tester.key" "$work/certs/tester.crt" >"$work/tester.pem"
printf 'tester:its password\n' >"$work/users"
printf 'its password\n' >"$work/password"
chmod 600 "$work/users" "$work/password"
"$lockstep" serve --data-dir "$work/data" --listen mtls://127.0.0.1:0,sasl://127.0.0.1:0 --http 127.0.0.1:0 --log-format json \
  --listener-security mtls=tls,sasl=sasl_tls --tls-cert "$work/certs/broker-1.crt" --tls-key "$work/certs/broker-1.key" \
  --tls-client-ca "$work/certs/ca.crt" --tls-client-auth mtls=required \
  --sasl-mechanisms sasl=SCRAM-SHA-512+SCRAM-SHA-256+PLAIN --sasl-users-file "$work/users" >"$work/log" 2>&1 &
broker=$!
for _ in $(seq 300); do grep -q '"msg":"ready"' "$work/log" && break; sleep 0.1; done
bound() { sed -n "s/.*\"listener\":\"$1\",\"bound\":\"\([^\"]*\)\".*/\1/p" "$work/log"; }
mtls=$(bound mtls) sasl=$(bound sasl)
export SECURE_CA=$work/certs/ca.crt SECURE_CERT=$work/certs/tester.crt SECURE_KEY=$work/certs/tester.key
export SECURE_KEYSTORE=$work/tester.pem SECURE_USER=tester SECURE_PASSWORD='its password'
for m in SCRAM-SHA-512 SCRAM-SHA-256; do
  "$lockstep" user add tester --mechanism $m --new-password-file "$work/password" -b "$mtls" --ca "$SECURE_CA" --cert "$SECURE_CERT" --key "$SECURE_KEY" >>"$work/users.log"
done

# each NAME COMMAND...: the client by every way of proving who it is.
each() {
  local name=$1 m
  shift
  SECURE_BROKER=$mtls SECURE_MECHANISM= check "mtls-$name" "$@"
  for m in SCRAM-SHA-512 SCRAM-SHA-256 PLAIN; do
    SECURE_BROKER=$sasl SECURE_MECHANISM=$m check "${m,,}-$name" "$@"
  done
}

kcat_once() {
  local topic=secure-kcat-$RANDOM$RANDOM
  local how=(-X "ssl.ca.location=$SECURE_CA" -X security.protocol=SSL -X "ssl.certificate.location=$SECURE_CERT" -X "ssl.key.location=$SECURE_KEY")
  [ -z "$SECURE_MECHANISM" ] || how=(-X "ssl.ca.location=$SECURE_CA" -X security.protocol=SASL_SSL -X "sasl.mechanism=$SECURE_MECHANISM"
    -X "sasl.username=$SECURE_USER" -X "sasl.password=$SECURE_PASSWORD")
  echo v | kcat -P -b "$SECURE_BROKER" -t $topic "${how[@]}" && equal_to v kcat -C -b "$SECURE_BROKER" -t $topic -e -q -o beginning "${how[@]}"
}

# go_once TEST: without go's own line, which tells the time.
go_once() { go test -count=1 -run "^$1\$" ./secure >"$work/go.log" 2>&1 || { cat "$work/go.log"; return 1; } }

for client in TestFranzGo TestSarama TestKafkaGo; do
  each "${client#Test}" go_once "$client"
done
if command -v kcat >/dev/null; then each kcat kcat_once; else printf 'kcat\tskip\tit is not installed\n'; fi
for client in librdkafka kafka-python; do
  python=$CACHE_ROOT/$client/venv/bin/python
  if [ -x "$python" ]; then each $client "$python" secure/secure.py $client; else printf '%s\tskip\tits folder has not installed it\n' $client; fi
done
jars=$CACHE_ROOT/java/jars
if [ -d "$jars" ] && command -v javac >/dev/null; then
  javac -cp "$jars/*" -d "$work/classes" secure/Secure.java
  each java java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m -cp "$jars/*:$work/classes" Secure
else
  printf 'java\tskip\tits folder has not installed it\n'
fi
