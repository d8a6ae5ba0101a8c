import { afterAll, beforeAll, expect, test } from 'vitest'
import { CompiledCore } from './support/child.ts'

let compiled: CompiledCore

beforeAll(() => {
  compiled = new CompiledCore()
})
afterAll(() => {
  compiled.remove()
})

const driver = `{
  name: 'fake',
  create: async () => ({}),
  validate: () => true,
  destroy: () => undefined,
  discard: () => undefined,
}`

test('a process with an idle pool that was not closed exits by itself', async () => {
  const child = await compiled.run(`
    const pool = core.createForkSafePool(${driver}, {
      min: 2, keepaliveMillis: 60_000, leakDetectionMillis: 60_000,
    })
    await pool.warmUp()
    await pool.use(() => undefined)
    console.log(pool.stats.idle)
  `)
  expect(child).toMatchObject({ code: 0, stdout: '2\n', stderr: '' })
})

test('a process with a forgotten lease exits by itself', async () => {
  const child = await compiled.run(`
    const pool = core.createForkSafePool(${driver}, { leakDetectionMillis: 60_000 })
    await pool.acquire()
    console.log('forgotten')
  `)
  expect(child).toMatchObject({ code: 0, stdout: 'forgotten\n', stderr: '' })
})

test('a process whose server is down exits by itself if no caller waits', async () => {
  const child = await compiled.run(`
    const pool = core.createForkSafePool(
      { ...${driver}, create: () => Promise.reject(new Error('down')) },
      { min: 1, backoff: { minMillis: 60_000, maxMillis: 60_000 } },
    )
    await pool.acquire({ timeoutMillis: 10 }).catch((error) => console.log(error.code))
  `)
  expect(child).toMatchObject({ code: 0, stdout: 'FORKSAFE_ACQUIRE_TIMEOUT\n', stderr: '' })
})

test('a process that warms up does not exit while the server is down', async () => {
  const child = await compiled.run(`
    let tries = 0
    const create = async () => {
      if (++tries < 3) throw new Error('down')
      return {}
    }
    const pool = core.createForkSafePool({ ...${driver}, create }, { min: 1 })
    while (pool.stats.idle === 0) await pool.warmUp().catch((error) => console.log(error.code))
    console.log('warm')
  `)
  expect(child.stdout).toMatch(/^(FORKSAFE_CREATE_FAILED\n)+warm\n$/)
  expect(child).toMatchObject({ code: 0, stderr: '' })
})

test.each(['1_000', 'Infinity', '2 ** 40'])(
  'a process does not exit while a caller waits for a server that is down: timeoutMillis %s',
  async (timeoutMillis) => {
    const child = await compiled.run(`
    let tries = 0
    const pool = core.createForkSafePool(
      {
        ...${driver},
        create: async () => {
          if (++tries < 3) throw new Error('down')
          return {}
        },
      },
      { backoff: { minMillis: 50, maxMillis: 50 } },
    )
    pool.acquire({ timeoutMillis: ${timeoutMillis} }).then(() => console.log('served'))
  `)
    expect(child).toMatchObject({ code: 0, stdout: 'served\n' })
  },
)

test('a process does not exit while a caller waits without limit and another gives up', async () => {
  const child = await compiled.run(`
    let tries = 0
    const pool = core.createForkSafePool(
      {
        ...${driver},
        create: async () => {
          if (++tries < 4) throw new Error('down')
          return {}
        },
      },
      { backoff: { minMillis: 100, maxMillis: 100 } },
    )
    Math.random = () => 0.9
    pool.acquire({ timeoutMillis: 10 }).catch((error) => console.log(error.code))
    pool.acquire({ timeoutMillis: Infinity }).then(() => console.log('served'))
  `)
  expect(child).toMatchObject({ code: 0, stdout: 'FORKSAFE_ACQUIRE_TIMEOUT\nserved\n' })
})

test('a process does not exit in a second wait after the first left its timer behind', async () => {
  const child = await compiled.run(`
    let tries = 0
    const pool = core.createForkSafePool(
      {
        ...${driver},
        create: async () => {
          if (++tries > 1 && tries < 4) throw new Error('down')
          return {}
        },
      },
      { max: 1, backoff: { minMillis: 50, maxMillis: 50 } },
    )
    const first = await pool.acquire()
    const second = pool.acquire()
    first.release()
    ;(await second).destroy()
    pool.acquire().then(() => console.log('served'))
  `)
  expect(child).toMatchObject({ code: 0, stdout: 'served\n' })
})

test('a process does not exit before an unreferenced resource was destroyed politely', async () => {
  const child = await compiled.run(`
    const pool = core.createForkSafePool(
      {
        ...${driver},
        destroy: () => new Promise((resolve) => {
          setTimeout(() => { console.log('goodbye'); resolve() }, 100).unref()
        }),
      },
      {},
    )
    await pool.use(() => undefined)
    pool.close().then(() => console.log('closed'))
  `)
  expect(child).toMatchObject({ code: 0, stdout: 'goodbye\nclosed\n' })
})

test('a closed pool leaves nothing that keeps the process alive', async () => {
  const child = await compiled.run(`
    const pool = core.createForkSafePool(${driver}, { max: 1 })
    const lease = await pool.acquire()
    const waiting = pool.use(() => undefined)
    const closing = pool.close()
    lease.release()
    await waiting
    await closing
  `)
  expect(child).toMatchObject({ code: 0, stderr: '' })
})

test('a process without koffi can use a pool, whose stats name the source of its identity', async () => {
  const alone = new CompiledCore({ alone: true })
  const child = await alone.run(`
    const pool = core.createForkSafePool(core.defineDriver(${driver}), {})
    await pool.use(() => undefined)
    core.afterFork()
    await pool.use(() => undefined)
    console.log(pool.stats.identity, pool.stats.generation)
    await pool.close()
  `)
  alone.remove()
  const source = process.platform === 'win32' ? 'none' : 'ppid'
  expect(child).toMatchObject({ code: 0, stdout: `${source} 2\n`, stderr: '' })
})

test('a process with the generic-pool drop-in exits by itself while its evictor is on', async () => {
  const child = await compiled.run(`
    const pool = genericPool.createPool(
      { create: async () => ({}), destroy: async () => undefined },
      { min: 2, max: 2, evictionRunIntervalMillis: 60_000 },
    )
    await pool.ready()
    await pool.acquire()
    console.log(pool.available, pool.borrowed)
  `)
  expect(child).toMatchObject({ code: 0, stdout: '1 1\n', stderr: '' })
})
