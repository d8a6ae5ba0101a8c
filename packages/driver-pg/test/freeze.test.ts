import { proves } from '@forksafe/scripts/proof'
import { startRecordingProxy } from '@forksafe/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { connectionTo, sessionsAlive, target } from './support/pools.ts'
import { expectGone, fill, RemoteProcess, usePrograms } from './support/remote.ts'

// SIGSTOP, SIGCONT, and a server that goes on meanwhile: it ends sessions that are idle for so long.

const programs = usePrograms()
const limited = { ...connectionTo(), options: '-c idle_session_timeout=600' }

test(
  'a process that was frozen for longer than the server bears has its first queries answered, without an error',
  proves({ thaw: ['idle', 'next'] }),
  async () => {
    const remote = new RemoteProcess(programs(), { connection: limited, options: {} })
    const before = await fill(remote)
    await remote.freeze()
    await expectGone(before)
    remote.thaw()
    const after = await remote.run(({ pool, pidOf }) =>
      Promise.all([pidOf(pool), pidOf(pool), pidOf(pool), pidOf(pool)]),
    )
    expect(after.filter((pid) => before.includes(pid))).toEqual([])
  },
)

test(
  'so has one whose query begins before it has read what became of its sessions',
  proves({ thaw: ['idle', 'next'] }),
  async ({ annotate }) => {
    const remote = new RemoteProcess(programs(), { connection: limited, options: {} })
    const before = await fill(remote)
    const beforeOfPeer = await remote.run(async ({ peer, pidOf }) => {
      // Without it, the end of an idle connection would end the process.
      peer.on('error', () => undefined)
      return Promise.all([pidOf(peer), pidOf(peer), pidOf(peer)])
    })
    // A timer that is due comes first when the process goes on, before anything that has arrived.
    await remote.run((remote) => {
      const { pool, peer, pidOf, settled } = remote
      remote.outcome = new Promise<void>((resolve) => {
        setTimeout(resolve, 200)
      }).then(() => settled(Promise.all([pidOf(pool), settled(pidOf(peer))])))
    })
    await remote.freeze()
    await expectGone([...before, ...beforeOfPeer])
    remote.thaw()
    const outcome = await remote.run(({ outcome }) => outcome)
    const [pid, peers] = (outcome as { value: [number, object] }).value
    expect(pid).toBeGreaterThan(0)
    expect(before).not.toContain(pid)
    await annotate(`The same query of a plain pg.Pool: ${JSON.stringify(peers)}`)
  },
)

test(
  'what the server kept is kept: the same sessions, validated',
  proves({ thaw: ['idle'] }),
  async () => {
    const proxy = await startRecordingProxy(target)
    onTestFinished(() => proxy.stop())
    const remote = new RemoteProcess(programs(), {
      connection: connectionTo({ proxy }),
      options: { validateAfterIdleMillis: 500 },
    })
    const before = await fill(remote)
    await remote.freeze()
    const mark = await proxy.mark()
    // Longer than what is idle is trusted.
    await new Promise((resolve) => setTimeout(resolve, 600))
    remote.thaw()
    expect(await remote.run(({ pool, pidOf }) => pidOf(pool))).toBe(before[2])
    const sent = (await proxy.records({ since: mark })).flatMap((record) =>
      record.kind === 'data' && record.direction === 'fromClient' ? [record.bytes.toString()] : [],
    )
    expect(sent).toHaveLength(2)
    expect(sent[0]).toContain('SELECT 1')
  },
)

test(
  'a freeze is told of once, as no change of identity, and the timers run on',
  proves({ thaw: ['timers', 'generation', 'listeners'] }),
  async () => {
    const remote = new RemoteProcess(programs(), {
      connection: connectionTo(),
      options: { keepaliveMillis: 200, validateAfterIdleMillis: 3_600_000, max: 3 },
    })
    const before = await fill(remote)
    await remote.freeze()
    await new Promise((resolve) => setTimeout(resolve, 2_400))
    remote.thaw()
    const thaws = () => remote.run(({ changes }) => changes)
    await expect
      .poll(thaws)
      .toEqual([{ reason: 'thaw', incarnation: 1, generation: 1, discarded: 0 }])
    await remote.run(
      ({ pool }) =>
        new Promise<void>((resolve) => {
          setTimeout(() => resolve(pool.query('SELECT 1').then(() => undefined)), 500)
        }),
    )
    expect(await thaws()).toHaveLength(1)
    expect(new Set(await fill(remote))).toEqual(new Set(before))
    const { generation, max, size } = await remote.run(({ pool }) => pool.stats)
    expect({ generation, max, size }).toEqual({ generation: 1, max: 3, size: 3 })
  },
)

test(
  'a pool that was not used before the freeze opens its connections after it',
  proves({ thaw: ['unused'] }),
  async () => {
    const remote = new RemoteProcess(programs(), { connection: limited, options: {} })
    expect(await remote.run(({ pool }) => pool.stats.size)).toBe(0)
    await remote.freeze()
    await new Promise((resolve) => setTimeout(resolve, 200))
    remote.thaw()
    const pid = await remote.run(({ pool, pidOf }) => pidOf(pool))
    expect(await sessionsAlive([pid])).toEqual([pid])
  },
)

test('a router that has forgotten every connection costs the first caller two timeouts, and not one for each', async () => {
  const proxy = await startRecordingProxy(target)
  onTestFinished(() => proxy.stop())
  const remote = new RemoteProcess(programs(), {
    connection: connectionTo({ proxy }),
    // Eight timeouts one after another would take longer than the caller waits.
    options: {
      validateAfterIdleMillis: 500,
      validateTimeoutMillis: 300,
      acquireTimeoutMillis: 2_200,
      max: 8,
    },
  })
  const before = await remote.run(async ({ pool, pidOf }) => {
    const leases = await Promise.all(Array.from({ length: 8 }, () => pool.acquire()))
    const pids = await Promise.all(leases.map(({ resource }) => pidOf(resource)))
    for (const lease of leases) lease.release()
    return pids
  })
  await remote.freeze()
  for (const { id } of await proxy.connections()) await proxy.hold({ connection: id })
  await new Promise((resolve) => setTimeout(resolve, 600))
  remote.thaw()
  expect(before).not.toContain(await remote.run(({ pool, pidOf }) => pidOf(pool)))
  const { size } = await remote.run(({ pool }) => ({
    size: pool.stats.size - pool.stats.destroying,
  }))
  expect(size).toBe(1)
})
