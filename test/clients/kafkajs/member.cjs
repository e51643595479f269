// A member of a group: prints what it reads, then commits. Arguments: TOPIC GROUP.
const fs = require('node:fs')
const { Kafka, logLevel } = require('kafkajs')

const [topic, groupId] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [process.env.BROKER], logLevel: logLevel.NOTHING })
const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 1000, maxWaitTimeInMs: 200 })

async function main () {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  process.once('SIGTERM', async () => {
    await consumer.disconnect()
    process.exit(0)
  })
  await consumer.run({
    autoCommitThreshold: 50,
    eachMessage: async ({ message }) => { fs.writeSync(1, message.value + '\n') }
  })
}

main().catch(err => {
  console.error(err)
  process.exit(1)
})
