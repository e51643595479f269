// Transfers between five accounts of one partition: bank.cjs BROKER TOPIC NAME COUNT.
const { Kafka, logLevel } = require('kafkajs')
const [broker, topic, name, count] = process.argv.slice(2)

const kafka = new Kafka({ clientId: name, brokers: [broker], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
// One record under way at a time: a refusal is the whole batch's.
const producer = kafka.producer()
// kafkajs reads in groups only: each process is a group of its own.
const consumer = kafka.consumer({ groupId: `${name}-${Date.now()}`, maxWaitTimeInMs: 100 })

const balances = {} // folded from the log
let read = -1 // the last offset that was folded
let refused = 0
let wake = () => {}

async function fold ({ batch }) {
  for (const message of batch.messages) {
    const [from, to, amount] = message.value.toString().split(' ')
    balances[from] = (balances[from] ?? 0) - Number(amount)
    balances[to] = (balances[to] ?? 0) + Number(amount)
  }
  read = Number(batch.lastOffset())
  wake()
}

// catchUp reads up to the end, and returns the basis: the last offset that was read.
async function catchUp () {
  const [partition] = await admin.fetchTopicOffsets(topic)
  if (Number(partition.low) > read + 1) throw new Error('the log was cut: balances cannot be folded from what is left')
  while (read < Number(partition.high) - 1) await new Promise(resolve => { wake = resolve })
  return read < 0 ? 'none' : String(read)
}

// append appends an entry unless a lock was written since the basis; false: it was.
async function append (entry, locks, basis, id) {
  const headers = { 'lock-write': locks, 'lock-basis': basis, 'lock-id': id }
  try {
    await producer.send({ topic, acks: -1, messages: [{ value: entry, partition: 0, headers }] })
  } catch (err) {
    if (err.type !== 'POLICY_VIOLATION') throw err
    if (refused++ === 0) console.error('the first refusal:', err.message)
    return false
  }
  return true
}

const some = n => Math.floor(Math.random() * n)

async function main () {
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()])
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachBatch: fold })
  for (let i = 0; i < 5; i++) { // whoever comes first opens the account
    await append(`cash a${i} 100`, `acct:a${i}`, 'none', `${name}-open-${i}`)
  }
  refused = 0
  for (let done = 0; done < Number(count);) {
    const basis = await catchUp()
    const from = some(5)
    const to = (from + 1 + some(4)) % 5
    const amount = 1 + some(30)
    if (balances[`a${from}`] < amount) continue
    if (await append(`a${from} a${to} ${amount}`, `acct:a${from} acct:a${to}`, basis, `${name}-${done}`)) done++
  }
  await catchUp()
  let total = 0
  for (let i = 0; i < 5; i++) total += balances[`a${i}`]
  console.log(`${name}: ${count} transfers, ${refused} refused, total ${total}`)
  await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()])
}

main().catch(err => {
  console.error(err)
  process.exit(1)
})
