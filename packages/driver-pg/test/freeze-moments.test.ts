import { proves } from '@forksafe/scripts/proof'
import { type RecordingProxy, startRecordingProxy } from '@forksafe/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  connectionTo,
  observe,
  sessionsAlive,
  target,
  type Transport,
  transports,
} from './support/pools.ts'
import { expectGone, RemoteProcess, usePrograms } from './support/remote.ts'

// A freeze that comes in the middle of something: SIGSTOP, then SIGCONT. Meanwhile the connection stays, or is dropped.

const programs = usePrograms()
const fates = ['kept', 'dropped'] as const

function start(options: object = {}): RemoteProcess {
  return new RemoteProcess(programs(), { connection: connectionTo(), options })
}

async function startBehindProxy(options: object = {}, transport: Transport = 'plain') {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const connection = connectionTo({ proxy, transport })
  return { proxy, remote: new RemoteProcess(programs(), { connection, options }) }
}

/** Waits until a client has written something that begins so. */
async function expectSent(proxy: RecordingProxy, since: number, begin: string): Promise<void> {
  const sent = async () =>
    (await proxy.records({ since })).flatMap((record) =>
      record.kind === 'data' && record.direction === 'fromClient'
        ? [record.bytes.toString('latin1').slice(0, begin.length)]
        : [],
    )
  await expect.poll(sent).toContain(begin)
}

/** What becomes of the frozen process's connections, which the proxy has held. */
async function meet(fate: (typeof fates)[number], proxy: RecordingProxy): Promise<void> {
  if (fate === 'dropped') await proxy.cut()
  await proxy.delay(0)
  await proxy.resume()
}

async function terminate(pid: number): Promise<void> {
  await observe('SELECT pg_terminate_backend($1)', [pid])
  await expectGone([pid])
}

/** Takes a lease there, and gives the server's pid of its session. */
function lend(remote: RemoteProcess): Promise<number> {
  return remote.run(async (remote) => {
    remote.lease = await remote.pool.acquire()
    return remote.pidOf(remote.lease.resource)
  })
}

/** Uses the one place of a pool. */
function useAgain(remote: RemoteProcess): Promise<number> {
  return remote.run(({ pool, pidOf }) => pidOf(pool))
}

describe('what is lent', () => {
  test(
    'stays its holder’s, with its session and its transaction',
    proves({ thaw: ['lent', 'transaction'] }),
    async () => {
      const remote = start({ max: 1 })
      const before = await lend(remote)
      await remote.run(({ lease }) =>
        lease?.resource.query('BEGIN; CREATE TEMP TABLE kept (n int)'),
      )
      await remote.freeze()
      remote.thaw()
      const after = await remote.run(async ({ lease, pidOf }) => {
        await lease?.resource.query('INSERT INTO kept VALUES (1)')
        await lease?.resource.query('COMMIT')
        const pid = lease && (await pidOf(lease.resource))
        lease?.release()
        return pid
      })
      expect(after).toBe(before)
      expect(await useAgain(remote)).toBe(before)
    },
  )

  test(
    'and was dropped fails its holder, and gives its place back whether it is released or not',
    proves({ thaw: ['lent'] }),
    async () => {
      const remote = start({ max: 1 })
      const before = await lend(remote)
      await remote.freeze()
      await terminate(before)
      remote.thaw()
      const after = await useAgain(remote)
      expect(after).not.toBe(before)
      const outcome = await remote.run(({ lease, settled }) =>
        settled(Promise.resolve().then(() => lease?.resource)),
      )
      expect(outcome).toMatchObject({ error: 'LeaseReleasedError' })
      await remote.run(({ lease }) => lease?.release())
      expect(await useAgain(remote)).toBe(after)
    },
  )

  test(
    'in a transaction and was dropped fails the transaction, which nobody gets after it',
    proves({ thaw: ['transaction'] }),
    async () => {
      const remote = start({ max: 1 })
      const before = await remote.run(
        (remote) =>
          new Promise<number>((begun) => {
            remote.outcome = remote.settled(
              remote.pool.transaction(async (client) => {
                begun(await remote.pidOf(client))
                await new Promise((resolve) => setTimeout(resolve, 100))
                await client.query('SELECT 1')
              }),
            )
          }),
      )
      await remote.freeze()
      await terminate(before)
      remote.thaw()
      expect(await remote.run(({ outcome }) => outcome)).toHaveProperty('error')
      const status = await remote.run(async ({ pool }) =>
        pool.use((client) => client.query('SELECT now() = statement_timestamp() AS fresh')),
      )
      expect(status.rows).toEqual([{ fresh: true }])
      expect(await useAgain(remote)).not.toBe(before)
    },
  )

  test.each(fates)(
    'in the middle of a query is answered to the last row, or fails: the connection is %s',
    proves({ thaw: ['query'] }),
    async (fate) => {
      const { proxy, remote } = await startBehindProxy({ max: 1 })
      const before = await useAgain(remote)
      await proxy.hold()
      const mark = await proxy.mark()
      await remote.run((remote) => {
        const text = "SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 20000) n"
        remote.outcome = remote.settled(
          remote.pool.use((client) => client.query(text)).then(({ rows }) => rows.length),
        )
      })
      await expectSent(proxy, mark, 'Q')
      await proxy.resume({ direction: 'fromClient' })
      await remote.freeze()
      await meet(fate, proxy)
      remote.thaw()
      const outcome = await remote.run(({ outcome }) => outcome)
      if (fate === 'kept') expect(outcome).toEqual({ value: 20_000 })
      else expect(outcome).toHaveProperty('error')
      expect((await useAgain(remote)) === before).toBe(fate === 'kept')
    },
  )
})

describe.each(fates)('what was under way on a connection that is %s', (fate) => {
  test('being opened: TCP connect', proves({ thaw: ['connecting'] }), async () => {
    const { proxy, remote } = await startBehindProxy({ max: 1 })
    void remote.run(({ pool, pidOf }) => {
      // connect(2) has been called when this runs, and its end has not been seen.
      process.nextTick(() => process.nextTick(() => process.kill(process.pid, 'SIGSTOP')))
      return pidOf(pool)
    })
    await remote.frozen()
    await expect.poll(async () => (await proxy.connections()).length).toBe(1)
    expect((await proxy.connections())[0]?.bytesFromClient).toBe(0)
    await meet(fate, proxy)
    remote.thaw()
    expect(await sessionsAlive([await useAgain(remote)])).toHaveLength(1)
    expect(await proxy.connections()).toHaveLength(fate === 'kept' ? 1 : 2)
  })

  test.runIf(transports.includes('TLS'))(
    'being opened: TLS handshake',
    proves({ thaw: ['handshake'] }),
    async () => {
      const { proxy, remote } = await startBehindProxy({ max: 1 }, 'TLS')
      await proxy.delay(150)
      await remote.run(({ pool }) => void pool.query('SELECT 1'))
      // The client's hello is on its way, and finds no answer any more.
      await expectSent(proxy, 0, '\x16')
      await proxy.hold()
      await remote.freeze()
      await meet(fate, proxy)
      remote.thaw()
      expect(await sessionsAlive([await useAgain(remote)])).toHaveLength(1)
      expect(await proxy.connections()).toHaveLength(fate === 'kept' ? 1 : 2)
    },
  )

  test('being opened: authentication', proves({ thaw: ['authenticating'] }), async () => {
    const { proxy, remote } = await startBehindProxy({ max: 1 })
    await proxy.hold()
    await remote.run(({ pool }) => void pool.query('SELECT 1'))
    await expectSent(proxy, 0, '\0')
    await remote.freeze()
    await meet(fate, proxy)
    remote.thaw()
    expect(await sessionsAlive([await useAgain(remote)])).toHaveLength(1)
    expect(await proxy.connections()).toHaveLength(fate === 'kept' ? 1 : 2)
  })

  test(
    'being validated, then reset, then destroyed',
    proves({ thaw: ['validating', 'resetting', 'destroying'] }),
    async () => {
      const { proxy, remote } = await startBehindProxy({ max: 1, validateAfterIdleMillis: 0 })
      const freezeOnce = async (sent: string, work: (lent: typeof remote) => Promise<unknown>) => {
        await proxy.hold()
        const mark = await proxy.mark()
        await work(remote)
        await expectSent(proxy, mark, sent)
        await remote.freeze()
        await meet(fate, proxy)
        remote.thaw()
      }

      const first = await useAgain(remote)
      await freezeOnce('Q', (remote) =>
        remote.run((remote) => {
          remote.outcome = remote.settled(remote.pidOf(remote.pool))
        }),
      )
      const second = (await remote.run(({ outcome }) => outcome)) as { value: number }
      expect(second.value === first).toBe(fate === 'kept')

      await remote.run(async (remote) => {
        remote.lease = await remote.pool.acquire()
        await remote.lease.resource.query('BEGIN')
      })
      await freezeOnce('Q', (remote) => remote.run(({ lease }) => lease?.release()))
      const third = await useAgain(remote)
      expect(third === second.value).toBe(fate === 'kept')

      await lend(remote)
      await freezeOnce('X', (remote) => remote.run(({ lease }) => lease?.destroy()))
      const size = () => remote.run(({ pool }) => pool.stats.size)
      await expect.poll(size).toBe(0)
      expect(await useAgain(remote)).not.toBe(third)
    },
  )
})

describe('the time that a caller gave counts on while the process is frozen', () => {
  test(
    'whoever waits is served within it, or told that it is up',
    proves({ thaw: ['waiting'] }),
    async () => {
      const remote = start({ max: 1 })
      const pid = await lend(remote)
      await remote.run((remote) => {
        const { pool, pidOf, settled } = remote
        const patient = pool.use((client) => pidOf(client))
        const hasty = pool.acquire({ timeoutMillis: 200 })
        remote.outcome = settled(Promise.all([settled(hasty), patient]))
      })
      await remote.freeze()
      await new Promise((resolve) => setTimeout(resolve, 300))
      remote.thaw()
      await remote.run(
        ({ lease }) =>
          new Promise<void>((resolve) => {
            setTimeout(() => resolve(lease?.release()), 50)
          }),
      )
      const { value } = (await remote.run(({ outcome }) => outcome)) as { value: unknown[] }
      expect(value).toEqual([expect.objectContaining({ error: 'AcquireTimeoutError' }), pid])
    },
  )

  test(
    'a pool that is closing has closed by its deadline, and ends what is still lent',
    proves({ thaw: ['closing'] }),
    async () => {
      const remote = start({ max: 2 })
      const pid = await lend(remote)
      await remote.run((remote) => {
        const closed = remote.pool.close({ deadlineMillis: 200 })
        remote.outcome = remote.settled(closed.then(() => 'closed'))
      })
      await remote.freeze()
      await new Promise((resolve) => setTimeout(resolve, 300))
      remote.thaw()
      expect(await remote.run(({ outcome }) => outcome)).toEqual({ value: 'closed' })
      await expectGone([pid])
    },
  )
})
