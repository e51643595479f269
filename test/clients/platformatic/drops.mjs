// An idempotent producer: prints what is acknowledged. Arguments: TOPIC.
import { Producer } from '@platformatic/kafka'

const topic = process.argv[2]
const p = new Producer({ clientId: 'platformatic', bootstrapBrokers: [process.env.BROKER], idempotent: true, retries: 1000, retryDelay: 10 })
const each = 5
for (let i = 0; i < 2000; i += each) {
  const values = Array.from({ length: each }, (_, n) => `value-${i + n}`)
  await p.send({ messages: values.map((value, n) => ({ topic, partition: (i + n) % 3, value: Buffer.from(value) })) })
  for (const value of values) console.log(value)
}
await p.close()
