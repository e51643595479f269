// An idempotent producer: prints what is acknowledged. Arguments: TOPIC.
const { Kafka, logLevel } = require('kafkajs')

const retry = { retries: 1000, initialRetryTime: 10, maxRetryTime: 50 }
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [process.env.BROKER], logLevel: logLevel.NOTHING, retry })
const each = 5

async function main () {
  const p = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry })
  await p.connect()
  for (let i = 0; i < 2000; i += each) {
    const messages = Array.from({ length: each }, (_, n) => ({ value: `value-${i + n}`, partition: (i + n) % 3 }))
    await p.send({ topic: process.argv[2], messages })
    for (const { value } of messages) console.log(value)
  }
  await p.disconnect()
}

main().catch(err => {
  console.error(err)
  process.exit(1)
})
