import { expect, test } from 'vitest'
import { MODES, needPgBouncer, startBouncer } from './support/bouncers.ts'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { needSharing, openSharingPool } from './support/sharing.ts'

needPgBouncer()
needSharing()
const own = useOwnServer({ tls: false })

test.each(MODES)('through PgBouncer in %s mode, shared statements are answered', async (mode) => {
  const settings = { default_pool_size: '2' }
  const { through } = await startBouncer(own(), { mode, settings })
  const max = mode === 'session' ? 2 : 6
  const pool = openSharingPool({ connection: through, max })
  const { seen, stop } = startLoad(pool, 60)
  await expect.poll(() => seen.right).toBeGreaterThan(1_000)
  await pool.query('CREATE TABLE IF NOT EXISTS bounced (n int)')
  await Promise.all(
    Array.from({ length: 50 }, (_, n) => pool.query('INSERT INTO bounced VALUES ($1)', [n])),
  )
  const failed = await pool.query('SELECT 1 / 0').catch((error: unknown) => error)
  expect(failed).toHaveProperty('code', '22012')
  await pool.transaction(async (client) => {
    await client.query('INSERT INTO bounced VALUES (50)')
  })
  const counted = 'SELECT count(*)::int FROM bounced'
  expect((await pool.query(counted)).rows).toEqual([{ count: 51 }])
  await pool.query('DROP TABLE bounced')
  expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
})

test('a crash of PgBouncer fails the statements in flight, and all others are answered', async () => {
  const { bouncer, through } = await startBouncer(own(), { mode: 'transaction' })
  const pool = openSharingPool({ connection: through, max: 2 })
  const { seen, stop } = startLoad(pool, 20)
  await expect.poll(() => seen.right).toBeGreaterThan(200)
  const { right } = seen
  await bouncer.restart()
  await expect.poll(() => seen.right - right).toBeGreaterThan(200)
  const { wrong, errors } = await stop()
  expect(wrong).toBe(0)
  expect(errors.length).toBeGreaterThan(0)
  expect(errors.length).toBeLessThanOrEqual(20)
})
