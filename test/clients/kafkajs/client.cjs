// Which features of the broker a stock kafkajs client uses. It reads in consumer
// groups only; what it writes is read by the crossread test.
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs')
const { ZstdCodec } = require('zstd-codec')
const { Skip, check, equal, eventually, samples, broker } = require('./feature.cjs')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = lz4
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer))
})
const zstd = new Promise(resolve => ZstdCodec.run(codec => resolve(new codec.Simple())))

// lz4 comes as C++ that npm builds where it finds a compiler.
function lz4 () {
  let Codec
  try {
    Codec = require('kafkajs-lz4')
  } catch {
    throw new Skip('kafkajs-lz4 could not be built here')
  }
  return new Codec().codec()
}

const kafka = new Kafka({ clientId: 'kafkajs', brokers: [broker], logLevel: logLevel.NOTHING })
const admin = kafka.admin()
const groups = new Skip('it reads in consumer groups only')

async function withProducer (options, use) {
  const p = kafka.producer({ allowAutoTopicCreation: true, ...options })
  await p.connect()
  try {
    return await use(p)
  } finally {
    await p.disconnect()
  }
}

async function end (topic) {
  const [partition] = await admin.fetchTopicOffsets(topic)
  return Number(partition.high)
}

const writable = ({ headers }) => headers.every(([, value]) => value !== null)

async function codec (name, type) {
  const topic = `kafkajs-codec-${name}`
  const messages = samples().filter(writable).map(({ key, value, headers }) => {
    const byName = {}
    for (const [header, bytes] of headers) (byName[header] ??= []).push(bytes)
    return { key, value, headers: byName, partition: 0 }
  })
  await withProducer({}, p => p.send({ topic, compression: type, messages }))
  equal(await end(topic), messages.length)
  return 'written; it cannot write null headers, and reads in consumer groups only'
}

async function acks (name, level) {
  const topic = `kafkajs-acks-${name}`
  await withProducer({}, p => p.send({ topic, acks: level, messages: [{ value: 'one', partition: 0 }] }))
  await eventually(async () => await end(topic) === 1)
}

async function idempotent () {
  const topic = 'kafkajs-idempotent'
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, async p => {
    for (let i = 0; i < 100; i++) await p.send({ topic, messages: [{ value: `value-${i}`, partition: 0 }] })
  })
  equal(await end(topic), 100)
  return 'one send after the other'
}

async function timestamps () {
  const topic = 'kafkajs-positions'
  const start = Date.now() - 60000
  await withProducer({}, p => p.send({
    topic, messages: ['zero', 'one', 'two', 'three'].map((value, i) => ({ value, partition: 0, timestamp: String(start + 1000 * i) }))
  }))
  const [partition] = await admin.fetchTopicOffsetsByTimestamp(topic, start + 500)
  equal(partition.offset, '1')
  return 'the offset; it reads in consumer groups only'
}

async function administer () {
  const topic = 'kafkajs-made'
  await check('create', async () => {
    equal(await admin.createTopics({ topics: [{ topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] }), true)
  })
  await check('list', async () => {
    equal((await admin.listTopics()).includes(topic), true)
    equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 3)
  })
  await check('delete', async () => {
    await admin.deleteTopics({ topics: [topic] })
    await eventually(async () => !(await admin.listTopics()).includes(topic))
  })
}

async function locks (p) {
  const topic = 'kafkajs-locks'
  const send = async (p, value, headers, level = -1) => {
    const [answer] = await p.send({ topic, acks: level, messages: [{ value, headers, partition: 0 }] })
    return Number(answer.baseOffset)
  }
  const refused = async (p, want, headers, level) => {
    try {
      await send(p, 'refused', headers, level)
    } catch (err) {
      equal(err.type, want)
      return `${err.name} ${err.type} (${err.code})`
    }
    throw new Error('not refused')
  }
  const stale = { 'lock-write': 'acct:7', 'lock-basis': 'none' }
  await send(p, 'first', stale)
  await check('conflict', () => refused(p, 'POLICY_VIOLATION', stale))
  await check('after-conflict', async () => {
    equal(await send(p, 'second', { 'lock-write': 'acct:7', 'lock-basis': '0' }), 1)
    equal(await end(topic), 2)
    return 'idempotent'
  })
  await check('conflict-in-flight', () => { throw new Skip('one send after the other') })
  await check('malformed', () => refused(p, 'INVALID_RECORD', { 'lock-wirte': 'acct:7' }))
  await check('append-once', async () => {
    equal([await send(p, 'third', { 'lock-id': 'req-1' }), await send(p, 'third', { 'lock-id': 'req-1' })], [2, 2])
  })
  await check('lock-acks-1', () => withProducer({}, one => refused(one, 'INVALID_REQUIRED_ACKS', { 'lock-write': 'acct:7', 'lock-basis': '1' }, 1)))
}

async function main () {
  console.log(`version\tok\t${require('kafkajs/package.json').version}`)
  await admin.connect()
  const types = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }
  for (const [name, type] of Object.entries(types)) await check(`codec-${name}`, () => codec(name, CompressionTypes[type]))
  for (const [name, level] of Object.entries({ 0: 0, 1: 1, all: -1 })) await check(`acks-${name}`, () => acks(name, level))
  await check('idempotent', idempotent)
  await check('from-beginning', () => { throw groups })
  await check('from-offset', () => { throw groups })
  await check('from-timestamp', timestamps)
  await administer()
  await withProducer({ idempotent: true, maxInFlightRequests: 1 }, locks)
  await admin.disconnect()
}

main().catch(err => {
  console.error(err)
  process.exit(1)
})
