// A member of a group: prints what it reads, then commits. Arguments: PROTOCOL TOPIC GROUP.
import fs from 'node:fs'
import { Consumer } from '@platformatic/kafka'

const [groupProtocol, topic, groupId] = process.argv.slice(2)
const classic = groupProtocol === 'classic' ? { sessionTimeout: 6000, heartbeatInterval: 1000 } : {}
const consumer = new Consumer({ clientId: 'platformatic', bootstrapBrokers: [process.env.BROKER], groupId, groupProtocol, ...classic })
const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, maxWaitTime: 200 })
let stopped = false
process.once('SIGTERM', async () => {
  stopped = true
  await consumer.close(true)
  process.exit(0)
})
for await (const message of stream) {
  fs.writeSync(1, message.value + '\n')
  try {
    await message.commit()
  } catch (err) { // a rebalance: the next owner reads it again
    if (!stopped) console.error(err.message)
  }
}
