// Which features of the broker a stock @platformatic/kafka client uses. Its
// streams are for consumer groups; it reads here by its single fetch.
import { createRequire } from 'node:module'
import { Admin, Consumer, Producer, ListOffsetTimestamps } from '@platformatic/kafka'
import feature from './feature.cjs'

const { Skip, check, equal, eventually, samples, broker } = feature
const settings = { clientId: 'platformatic', bootstrapBrokers: [broker] }
const admin = new Admin(settings)
const consumer = new Consumer({ ...settings, groupId: 'none' })
const positions = ['zero', 'one', 'two', 'three']

async function withProducer (options, use) {
  const p = new Producer({ ...settings, autocreateTopics: true, ...options })
  try {
    return await use(p)
  } finally {
    await p.close()
  }
}

const records = (topic, values) => values.map(value => ({ topic, partition: 0, value: Buffer.from(value) }))

// read reads n records of partition 0.
async function read (topic, n, offset = 0n) {
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
  const { id: topicId, partitions: [{ leader: node }] } = metadata.topics.get(topic)
  const found = []
  for (let tries = 0; found.length < n && tries < 50; tries++) {
    const partitions = [{ partition: 0, currentLeaderEpoch: -1, fetchOffset: offset, lastFetchedEpoch: -1, partitionMaxBytes: 1 << 20 }]
    const answer = await consumer.fetch({ node, topics: [{ topicId, partitions }], maxWaitTime: 200, minBytes: 1 })
    for (const batch of answer.responses[0].partitions[0].records ?? []) {
      for (const r of batch.records) {
        const at = batch.firstOffset + BigInt(r.offsetDelta)
        if (at >= offset) found.push(r)
        if (at >= offset) offset = at + 1n
      }
    }
  }
  return found
}

const values = async (...args) => (await read(...args)).map(r => r.value.toString())

async function codec (name) {
  const topic = `platformatic-codec-${name}`
  const want = samples()
  const messages = want.map(({ key, value, headers }) => (
    { topic, partition: 0, key, value, headers: new Map(headers.map(([header, bytes]) => [Buffer.from(header), bytes])) }))
  await withProducer({ compression: name }, p => p.send({ messages }))
  const got = await read(topic, want.length)
  equal(got.map(({ key, value, headers }) => ({ key, value, headers: headers.map(([h, bytes]) => [h.toString(), bytes]) })), want)
}

async function acks (name, level) {
  const topic = `platformatic-acks-${name}`
  await withProducer({ acks: level }, p => p.send({ messages: records(topic, ['one']) }))
  await eventually(async () => (await admin.listTopics()).includes(topic))
  equal(await values(topic, 1), ['one'])
}

async function idempotent () {
  const want = Array.from({ length: 100 }, (_, i) => `value-${i}`)
  await withProducer({ idempotent: true }, async p => {
    for (const value of want) await p.send({ messages: records('platformatic-idempotent', [value]) })
  })
  equal(await values('platformatic-idempotent', want.length), want)
  return 'one send after the other'
}

async function offsetAt (topic, timestamp) {
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
  return found.partitions[0].offset
}

async function position () {
  const topic = 'platformatic-positions'
  const start = BigInt(Date.now() - 60000)
  const messages = records(topic, positions).map((m, i) => ({ ...m, timestamp: start + 1000n * BigInt(i) }))
  await withProducer({}, p => p.send({ messages }))
  const from = async (offset, skipped) => equal(await values(topic, positions.length - skipped, offset), positions.slice(skipped))
  await check('from-beginning', async () => from(await offsetAt(topic, ListOffsetTimestamps.EARLIEST), 0))
  await check('from-offset', () => from(2n, 2))
  await check('from-timestamp', async () => from(await offsetAt(topic, start + 500n), 1))
}

async function administer () {
  const topic = 'platformatic-made'
  await check('create', () => { return admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 }).then(() => '') })
  await check('list', async () => {
    equal((await admin.listTopics()).includes(topic), true)
    equal((await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic).partitionsCount, 3)
  })
  await check('delete', async () => {
    await admin.deleteTopics({ topics: [topic] })
    await eventually(async () => !(await admin.listTopics()).includes(topic))
  })
}

async function locks (p) {
  const topic = 'platformatic-locks'
  const send = async (value, headers, options) => {
    const entries = new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]))
    const answer = await p.send({ ...options, messages: [{ ...records(topic, [value])[0], headers: entries }] })
    return Number(answer.offsets[0].offset)
  }
  const refused = async (want, text, headers, options) => {
    try {
      await send('refused', headers, options)
    } catch (err) {
      const answer = err.findBy?.('apiCode', want) ?? err
      equal(answer.apiCode, want)
      const shown = text && JSON.stringify([answer.message, answer.serverErrorMessage, answer.errorMessage]).includes(text)
      return `ProtocolError ${answer.apiId} (${answer.apiCode})${shown ? ', with the text' : ''}`
    }
    throw new Error('not refused')
  }
  const stale = { 'lock-write': 'acct:7', 'lock-basis': 'none' }
  await send('first', stale)
  await check('conflict', () => refused(44, 'CONFLICT lock=acct:7', stale))
  await check('after-conflict', async () => {
    equal(await send('second', { 'lock-write': 'acct:7', 'lock-basis': '0' }), 1)
    equal(await values(topic, 2), ['first', 'second'])
    return 'idempotent'
  })
  await check('conflict-in-flight', () => { throw new Skip('one send after the other') })
  await check('malformed', () => refused(87, 'MALFORMED', { 'lock-wirte': 'acct:7' }))
  await check('lock-acks-1', () => refused(21, '', { 'lock-write': 'acct:7', 'lock-basis': '1' }, { acks: 1, idempotent: false }))
  await check('append-once', async () => {
    equal([await send('third', { 'lock-id': 'req-1' }), await send('third', { 'lock-id': 'req-1' })], [2, 2])
  })
}

console.log(`version\tok\t${createRequire(import.meta.url)('./node_modules/@platformatic/kafka/package.json').version}`)
for (const name of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) await check(`codec-${name}`, () => codec(name))
for (const [name, level] of Object.entries({ 0: 0, 1: 1, all: -1 })) await check(`acks-${name}`, () => acks(name, level))
await check('idempotent', idempotent)
await position()
await administer()
await withProducer({ idempotent: true }, locks)
await consumer.close()
await admin.close()
