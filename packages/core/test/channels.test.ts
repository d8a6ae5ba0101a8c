import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, expect, test } from 'vitest'
import { afterFork, type ChannelMessages, livePools } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openIdle, openPool } from './support/pools.ts'
import { pass, settled, useFakeTime } from './support/time.ts'

useFakeTime()

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** Calls `listener` with each message about a pool of this name from now on. */
function listen<C extends keyof ChannelMessages>(
  channel: C,
  pool: string,
  listener: (message: ChannelMessages[C]) => void,
): void {
  const onMessage = (message: unknown): void => {
    const typed = message as ChannelMessages[C]
    if (typed.pool === pool) listener(typed)
  }
  subscribe(channel, onMessage)
  ends.push(() => void unsubscribe(channel, onMessage))
}

function messagesOf<C extends keyof ChannelMessages>(
  channel: C,
  pool: string,
): ChannelMessages[C][] {
  const messages: ChannelMessages[C][] = []
  listen(channel, pool, (message) => messages.push(message))
  return messages
}

test.each([[['validate']], [[]]] as const)(
  'forksafe:release reports each end of a lease and how long it was held: hooks %j',
  async (hooks) => {
    const releases = messagesOf('forksafe:release', 'held')
    const pool = openPool(new FakeDriver({ hooks }), { name: 'held' })
    await openIdle(pool, 1)
    releases.length = 0
    await pass(400)
    const released = await pool.acquire()
    await pass(30)
    released.release()
    const destroyed = await pool.acquire()
    await pass(20)
    destroyed.destroy()
    const { id } = released
    const common = { id, generation: 1, driver: 'fake', poolId: expect.any(Number) as number }
    expect(releases).toEqual([
      { ...common, pool: 'held', heldMillis: expect.closeTo(30, 0) as number },
      { ...common, pool: 'held', heldMillis: expect.closeTo(20, 0) as number },
    ])
  },
)

test('forksafe:release reports no lease of another process', async () => {
  const pool = openPool(new FakeDriver(), { name: 'forked' })
  const lease = await pool.acquire()
  const releases = messagesOf('forksafe:release', 'forked')
  afterFork()
  lease.release()
  expect(releases).toEqual([])
})

test('forksafe:leak and forksafe:hookError report what the events report', async () => {
  const leaks = messagesOf('forksafe:leak', 'leaky')
  const hookErrors = messagesOf('forksafe:hookError', 'leaky')
  const driver = new FakeDriver()
  driver.plans.watch = 'throw'
  const pool = openPool(driver, { name: 'leaky', leakDetectionMillis: 50 })
  const { id } = await pool.acquire()
  await pass(60)
  expect(leaks).toMatchObject([{ pool: 'leaky', id, generation: 1 }])
  expect(hookErrors).toMatchObject([{ pool: 'leaky', id, hook: 'watch' }])
})

test('forksafe:pool reports that a pool is created and has closed', async () => {
  const messages = messagesOf('forksafe:pool', 'living')
  const pool = openPool(new FakeDriver(), { name: 'living' })
  const live = livePools().find(({ name }) => name === 'living')
  await pool.close()
  await pool.close()
  const common = { pool: 'living', poolId: live?.id, driver: 'fake' }
  expect(messages).toEqual([
    { ...common, event: 'created' },
    { ...common, event: 'closed' },
  ])
})

test('the pools that exist can be found later, until they are closed', async () => {
  const names = (): string[] =>
    livePools()
      .map(({ name }) => name)
      .filter((name) => name.startsWith('found'))
  const first = openPool(new FakeDriver(), { name: 'found 1' })
  const second = openPool(new FakeDriver(), { name: 'found 2' })
  const twin = openPool(new FakeDriver(), { name: 'found 2' })
  expect(names()).toEqual(['found 1', 'found 2', 'found 2'])
  const [live, ...others] = livePools().filter(({ name }) => name.startsWith('found'))
  expect(new Set([live, ...others].map((live) => live?.id)).size).toBe(3)
  await openIdle(first, 2)
  expect(live).toMatchObject({ name: 'found 1', driver: 'fake', stats: { idle: 2 } })
  await first.close()
  expect(names()).toEqual(['found 2', 'found 2'])
  await Promise.all([second.close(), twin.close()])
  expect(names()).toEqual([])
})

test('a pool that nobody holds any more is collected', async () => {
  const pools = (): number => livePools().filter(({ name }) => name === 'forgotten').length
  for (let count = 0; count < 200; count++) openPool(new FakeDriver(), { name: 'forgotten' })
  expect(pools()).toBeGreaterThan(0)
  await expect
    .poll(() => {
      globalThis.gc?.()
      return pools()
    })
    .toBe(0)
})

test('the stats of a found pool notice a change of the process first', async () => {
  const pool = openPool(new FakeDriver(), { name: 'changing' })
  await openIdle(pool, 2)
  const live = livePools().find(({ name }) => name === 'changing')
  afterFork()
  expect(live?.stats).toMatchObject({ size: 0, generation: 2 })
})

test('subscribers see the async context of the caller: at the end of an acquire, and of the create for it', async () => {
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  listen('forksafe:acquire', 'traced', ({ waited }) => seen.push(waited, context.getStore()))
  listen('forksafe:create', 'traced', () => seen.push('create', context.getStore()))
  const driver = new FakeDriver()
  driver.plans.create = { afterMillis: 10, outcome: 'pass' }
  const pool = openPool(driver, { name: 'traced', max: 1 })
  const first = context.run('first', () => pool.acquire())
  await pass(10)
  const lease = await first
  const second = context.run('second', () => pool.acquire())
  context.run('other', () => lease.release())
  const next = await second
  next.release()
  await context.run('third', () => pool.use(() => 1))
  expect(seen).toEqual(['create', 'first', true, 'first', true, 'second', false, 'third'])
})

test('a watched request of `share` is sent in the async context of its caller', async () => {
  const context = new AsyncLocalStorage<string>()
  messagesOf('forksafe:acquire', 'shared')
  const pool = openPool(new FakeDriver(), { name: 'shared', max: 1 })
  const lease = await pool.acquire()
  const sent = context.run('mine', () => pool.share(async () => context.getStore()))
  await settled()
  context.run('other', () => lease.release())
  expect(await sent).toBe('mine')
})
