import { fork } from '@forksafe/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { backendPid, connectionTo, observe, type Transport, transports } from './support/pools.ts'
import { needSharing, openSharingPool } from './support/sharing.ts'

needSharing()

const notices = [
  ['by the hook', true],
  ['by the check of each use', false],
] as const

async function createTable(): Promise<string> {
  const name = `forked_share_${process.pid}_${Math.random().toString(36).slice(2)}`
  await observe(`CREATE TABLE ${name} (n int)`)
  onTestFinished(async () => {
    await observe(`DROP TABLE ${name}`)
  })
  return name
}

const cases = transports.flatMap((transport) =>
  notices.map(([notice, hook]): [Transport, string, boolean] => [transport, notice, hook]),
)

test.each(cases)(
  'over %s, a fork noticed %s in the tick of a corked batch, with statements in flight, executes each once',
  async (transport, _notice, hook) => {
    const connection = connectionTo({ transport })
    const pool = openSharingPool({ connection, max: 1, driver: { share: 'statements' } })
    const table = await createTable()
    const pid = await backendPid(pool)
    const insert = (n: number): Promise<unknown> =>
      pool.query(`INSERT INTO ${table} SELECT $1 FROM pg_sleep(0.02)`, [n])
    const inFlight = [0, 1, 2, 3].map(insert)
    await new Promise((resolve) => setImmediate(resolve))
    const corked = [4, 5, 6, 7].map(insert)
    const outcomes = Promise.allSettled([...inFlight, ...corked])
    expect(pool.stats.inFlight).toBe(8)
    const child = await fork(
      async () => {
        // Only the code of the child runs there.
        const own = await backendPid(pool)
        const settled = await outcomes
        return {
          own,
          errors: settled.map((each) =>
            each.status === 'rejected' ? (each.reason as Error).name : each.status,
          ),
        }
      },
      { afterFork: hook },
    )
    const seen = await child.result
    expect(seen.own).not.toBe(pid)
    expect(seen.errors).toEqual(Array.from({ length: 8 }, () => 'StaleResourceError'))
    expect((await outcomes).map(({ status }) => status)).toEqual(
      Array.from({ length: 8 }, () => 'fulfilled'),
    )
    expect(await observe(`SELECT n FROM ${table} ORDER BY n`)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => ({ n })),
    )
    expect(await backendPid(pool)).toBe(pid)
    expect(pool.stats).toMatchObject({ size: 1, inFlight: 0 })
  },
)

test('a child that never uses the pool sends nothing of its parent', async () => {
  const pool = openSharingPool({ max: 1, driver: { share: 'statements' } })
  const table = await createTable()
  await pool.query('SELECT 1')
  const answers = [0, 1, 2].map((n) => pool.query(`INSERT INTO ${table} VALUES ($1)`, [n]))
  const child = await fork(() => new Promise((resolve) => setTimeout(resolve, 200)), {
    afterFork: false,
  })
  await Promise.all(answers)
  await child.result
  expect(await observe(`SELECT n FROM ${table} ORDER BY n`)).toEqual([0, 1, 2].map((n) => ({ n })))
})
