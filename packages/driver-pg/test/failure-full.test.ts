import { expect, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { backendPid, fill, openPool } from './support/pools.ts'

const ROOM = 4
const own = useOwnServer({
  roles: { app: 'secret' },
  settings: {
    max_connections: String(ROOM + 2),
    superuser_reserved_connections: '2',
  },
})
const app = () => ({ ...own().connection, user: 'app', password: 'secret' })

test('a pool whose `max` exceeds the room of the server serves all callers with fewer connections', async () => {
  const pool = openPool(app(), { max: 10 })
  const kinds = new Set<string>()
  const most = { open: 0 }
  pool.on('createError', ({ kind }) => kinds.add(kind))
  pool.on('create', () => (most.open = Math.max(most.open, pool.stats.size - pool.stats.creating)))
  const { seen, stop } = startLoad(pool, 40)
  await expect.poll(() => seen.right).toBeGreaterThan(1_000)
  expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
  expect([...kinds]).toEqual(['full'])
  expect(most.open).toBe(ROOM)
})

test('a caller that finds the server full is served as soon as another program makes room', async () => {
  const greedy = openPool(app(), { max: ROOM })
  const taken = await fill(greedy, ROOM)
  const pool = openPool(app(), { max: 2, backoff: { maxMillis: 100 } })
  const waiting = backendPid(pool)
  await expect.poll(() => pool.stats.waiting).toBe(1)
  const refused = new Promise((resolve) => pool.once('createError', resolve))
  expect(await refused).toMatchObject({ kind: 'full', error: { code: '53300' } })
  greedy.resize({ max: ROOM - 1 })
  expect(taken).not.toContain(await waiting)
})

test('the places that are kept for superusers are theirs', async () => {
  const greedy = openPool(app(), { max: ROOM })
  await fill(greedy, ROOM)
  const admin = openPool(own().connection, { max: 1 })
  expect((await admin.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})
