#!/usr/bin/env bash
# Of several sends that are not awaited one by one, kafkajs swaps the last two.
. "$(dirname "$0")/lib.sh"
expect "kafkajs 2.2.4, one producer, one partition, idempotent and one request in flight at most" \
  "records are in the log in the order of the calls of send, awaited or not"
node_packages kafkajs kafkajs@2.2.4
start_kafka
topic plain
topic idempotent
cat >"$node_home/finding.cjs" <<'JS'
const { Kafka, logLevel } = require('kafkajs')
const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING })

async function read(topic, n) {
  const consumer = kafka.consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen = []
  await new Promise((done) => consumer.run({ eachMessage: async ({ message }) => { if (seen.push(String(message.value)) === n) done() } }))
  await consumer.disconnect()
  return seen
}

async function main() {
  for (const [topic, options] of [['plain', {}], ['idempotent', { idempotent: true, maxInFlightRequests: 1 }]]) {
    const producer = kafka.producer(options)
    await producer.connect()
    await producer.send({ topic, messages: [{ value: 'first' }] }) // it is warm
    const rounds = 20, each = 4, sent = ['first']
    for (let r = 0; r < rounds; r++) {
      const sends = []
      for (let i = 0; i < each; i++) {
        sent.push(`${r}.${i}`)
        sends.push(producer.send({ topic, messages: [{ value: `${r}.${i}` }] }).catch((e) => e))
      }
      await Promise.all(sends)
    }
    await producer.disconnect()
    const got = await read(topic, sent.length)
    let bad = 0
    for (let r = 0; r < rounds; r++) {
      const [want, have] = [sent, got].map((l) => l.filter((v) => v.startsWith(`${r}.`)).join(' '))
      if (want !== have && bad++ === 0) console.log(`${topic}: sent ${want}, in the log ${have}`)
    }
    console.log(`${topic}: ${bad} of ${rounds} rounds of ${each} sends are in another order`)
  }
}
main().then(() => process.exit(0))
JS
verdict "$(cd "$node_home" && timeout 120 "$node" finding.cjs "$kafka" 2>&1)" '^idempotent: sent (.*) (\S+) (\S+), in the log \1 \3 \2$' '^idempotent: 20 of 20 rounds'
