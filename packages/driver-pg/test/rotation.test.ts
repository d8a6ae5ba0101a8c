import { CreateError } from '@forksafe/core'
import { startRecordingProxy } from '@forksafe/testkit'
import type { ClientConfig } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { startLoad } from './support/load.ts'
import { useOwnServer } from './support/own-server.ts'
import { openPool } from './support/pools.ts'

const own = useOwnServer({
  roles: { app: 'secret 0', old: 'of the old', other: 'of the other' },
})

test('a password that is changed under load is rotated by `recycle()`, and nobody sees an error', async () => {
  const { connection, tell } = own()
  const secret = { password: 'secret 0', changing: Promise.resolve() }
  async function current(): Promise<ClientConfig> {
    await secret.changing
    return { ...connection, user: 'app', password: secret.password }
  }
  // Connections come and go all the time: some are on their way whenever the password is changed.
  const pool = openPool(current, { max: 4, maxUses: 5 })
  const { seen, stop } = startLoad(pool)

  async function change(password: string): Promise<void> {
    await tell(`ALTER ROLE app PASSWORD '${password}'`)
    secret.password = password
  }
  for (let turn = 1; turn <= 20; turn++) {
    secret.changing = change(`secret ${turn}`)
    await secret.changing
    pool.recycle()
    const { right } = seen
    await expect.poll(() => seen.right - right, { interval: 5 }).toBeGreaterThan(50)
  }

  expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
  expect(pool.stats.generation).toBe(21)
})

test('`recycle()` moves everybody to another role, in the midst of their work', async () => {
  const { connection } = own()
  const roles = [
    { user: 'old', password: 'of the old' },
    { user: 'other', password: 'of the other' },
  ]
  const pool = openPool(() => ({ ...connection, ...roles[0] }), { max: 4 })
  const who = async (): Promise<unknown> =>
    (await pool.query<{ user: string }>('SELECT current_user AS user')).rows[0]?.user
  expect(await who()).toBe('old')
  const { stop } = startLoad(pool)
  await pool.transaction(async (client) => {
    roles.shift()
    pool.recycle()
    expect(await who()).toBe('other')
    // Whoever was at work before goes on as before.
    expect((await client.query('SELECT current_user AS user')).rows).toEqual([{ user: 'old' }])
  })
  expect(await stop()).toMatchObject({ wrong: 0, errors: [] })
})

test('who is on the way with the old password when it changes comes again with the new one', async () => {
  const { connection, server, tell } = own()
  await tell("ALTER ROLE other PASSWORD 'old'")
  const proxy = await startRecordingProxy({ port: server.port })
  onTestFinished(() => proxy.stop())
  const secret = { password: 'old' }
  const pool = openPool(() => ({ ...connection, port: proxy.port, user: 'other', ...secret }))
  const failures: unknown[] = []
  pool.on('createError', ({ error }) => failures.push(error))

  await proxy.hold()
  const answer = pool.query('SELECT 1 AS one')
  await expect.poll(async () => (await proxy.connections()).length).toBe(1)
  await tell("ALTER ROLE other PASSWORD 'of the other'")
  secret.password = 'of the other'
  await proxy.resume()
  expect((await answer).rows).toEqual([{ one: 1 }])
  expect(failures).toMatchObject([{ code: '28P01' }])
})

test('a function that gives a wrong password is asked once more, and then everybody is told', async () => {
  const { connection } = own()
  let asked = 0
  const wrong = (): ClientConfig => {
    asked++
    return { ...connection, user: 'other', password: 'wrong' }
  }
  const pool = openPool(wrong, { max: 1 })
  const outcomes = await Promise.allSettled([pool.query('SELECT 1'), pool.query('SELECT 1')])
  for (const outcome of outcomes) {
    expect(outcome).toHaveProperty('reason', expect.any(CreateError))
    expect(outcome).toHaveProperty('reason.cause.code', '28P01')
  }
  expect(asked).toBe(2)
})
