import { startPostgres } from '@forksafe/scripts/postgres'
import { CommitUnknownError, RolledBackError } from '@forksafe/sql'
import { testDriver } from '@forksafe/testkit'
import { expect, onTestFinished, test, vi } from 'vitest'
import { mydbDriver } from '../src/sql/driver.ts'

// Of PostgreSQL, whose protocol it speaks. It ends with this process.
const server = await startPostgres({ tls: false })
const { hostname: host, port, username, pathname } = new URL(server.url)

await testDriver(mydbDriver, {
  name: 'SQL driver of the example',
  server: { host, port: Number(port) },
  connection: ({ host, port }) => `postgres://${username}@${host}:${port}${pathname}`,
  async echo(session, text) {
    const { rows } = await session.query('select $1 as text', [text])
    return rows[0]?.text ?? ''
  },
  session: {
    leave: (session) => session.query('begin; set local application_name = mine'),
    async left(session) {
      const { rows } = await session.query("select current_setting('application_name') as name")
      return rows[0].name === 'mine'
    },
  },
  failures: {
    'a database that does not exist': {
      kind: 'fatal',
      connection: ({ host, port }) => `postgres://${username}@${host}:${port}/missing`,
    },
  },
})

test('books around taken seats, rolls back, and reports an abort and an unknown COMMIT', async () => {
  vi.stubEnv('DATABASE_URL', server.url)
  onTestFinished(() => void vi.unstubAllEnvs())
  const { pool, book } = await import('../src/sql/use.ts')
  onTestFinished(() => pool.close())
  await pool.query('create table seat (number int primary key)')
  onTestFinished(async () => void (await pool.query('drop table seat')))
  expect(await book([1])).toEqual([])
  expect(await book([1, 2])).toEqual([1])

  const swallowed = pool.transaction(async (session) => {
    await session.query('insert into seat values (1)').catch(() => undefined)
  })
  await expect(swallowed).rejects.toBeInstanceOf(RolledBackError)
  await expect(swallowed).rejects.toMatchObject({ code: 'MYDB_ROLLED_BACK' })

  const signal = AbortSignal.timeout(100)
  const slow = pool.transaction((session) => session.query('select pg_sleep(60)'), { signal })
  await expect(slow).rejects.toMatchObject({ name: 'TimeoutError' })
  await expect.poll(() => pool.stats.borrowed).toBe(0)

  const lost = pool.transaction((session) => {
    // COMMIT is sent in the meantime.
    setImmediate(() => session.socket.destroy())
  })
  await expect(lost).rejects.toBeInstanceOf(CommitUnknownError)
  expect((await pool.query('select number from seat order by number')).rowCount).toBe(2)
})
