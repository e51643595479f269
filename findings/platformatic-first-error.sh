#!/usr/bin/env bash
# A producer of @platformatic/kafka whose record is refused throws a chain of errors. The first error of the response in it has
# the code of UNKNOWN_SERVER_ERROR, which no broker sent; the broker's own code is the second.
. "$(dirname "$0")/lib.sh"
expect "@platformatic/kafka 2.12.1" "the protocol errors in what send throws are those that the broker answered: INVALID_RECORD (87) alone"
node_packages platformatic @platformatic/kafka@2.12.1
start_kafka
topic compacted cleanup.policy=compact
cat >"$node_home/finding.mjs" <<'JS'
import { Producer } from '@platformatic/kafka'
const producer = new Producer({ clientId: 'c', bootstrapBrokers: [process.argv[2]], retries: 0 })
try {
  await producer.send({ messages: [{ topic: 'compacted', value: Buffer.from('no key, which a compacted topic refuses') }], acks: -1 })
  console.log('no error')
} catch (error) {
  const found = []
  const walk = (e, depth) => {
    if (e.apiId) found.push(e.apiId)
    console.log(`${'  '.repeat(depth)}${e.name} code=${e.code} apiId=${e.apiId} apiCode=${e.apiCode} ${String(e.message).slice(0, 100)}`)
    for (const inner of e.errors ?? []) walk(inner, depth + 1)
    if (e.cause) walk(e.cause, depth + 1)
  }
  walk(error, 0)
  console.log('first:', found[0])
  console.log('findBy apiCode 87:', error.findBy?.('apiCode', 87)?.apiId)
}
process.exit(0)
JS
verdict "$(cd "$node_home" && timeout 60 "$node" finding.mjs "$kafka" 2>&1)" \
  '^ +Error code=PLT_KFK_PROTOCOL apiId=UNKNOWN_SERVER_ERROR apiCode=-1 ' '^ +Error code=PLT_KFK_PROTOCOL apiId=INVALID_RECORD apiCode=87 ' '^first: UNKNOWN_SERVER_ERROR$' '^findBy apiCode 87: INVALID_RECORD$'
