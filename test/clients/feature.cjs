// What the tests of the Node clients share: the records of samples.txt and a
// line on standard output for each feature.
const fs = require('node:fs')
const { isDeepStrictEqual, inspect } = require('node:util')

class Skip extends Error {}

// check runs one feature and prints its line.
async function check (name, run) {
  let result = 'ok'
  let note
  try {
    note = (await run()) ?? ''
  } catch (err) {
    result = err instanceof Skip ? 'skip' : 'FAIL'
    if (result === 'FAIL') console.error(name, err)
    note = err.message
  }
  console.log(`${name}\t${result}\t${note.replace(/\s+/g, ' ').slice(0, 300)}`)
}

function equal (got, want) {
  if (!isDeepStrictEqual(got, want)) throw new Error(`got ${inspect(got)}, want ${inspect(want)}`)
}

async function eventually (test) {
  for (let tries = 0; !(await test()); tries++) {
    if (tries === 100) throw new Error('not within 10 s')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

function word (text) {
  if (text === 'null') return null
  return text === 'empty' ? Buffer.alloc(0) : Buffer.from(text, 'hex')
}

// samples are {key, value, headers: [[name, value]]}; null is null.
function samples () {
  const lines = fs.readFileSync(process.env.SAMPLES, 'utf8').trim().split('\n')
  return lines.filter(line => !line.startsWith('#')).map(line => {
    const [times, key, text, list] = line.split(' ')
    const value = word(text)
    const headers = list === 'none' ? [] : list.split(',').map(item => [item.split(':')[0], word(item.split(':')[1])])
    return { key: word(key), value: value && Buffer.concat(Array(Number(times)).fill(value)), headers }
  })
}

module.exports = { Skip, check, equal, eventually, samples, broker: process.env.BROKER }
