import { Command, Redis } from 'ioredis'
import { beforeEach, expect, test } from 'vitest'
import { connectionTo, fill, observe, openPool } from './support/pools.ts'

beforeEach(() => observe((redis) => redis.del('methods:a', 'methods:n', 'methods:h')))

test('commands are methods of the pool, each run on any free connection', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  expect(await pool.set('methods:a', 'one', 'EX', 60)).toBe('OK')
  expect(await pool.get('methods:a')).toBe('one')
  expect(await pool.getBuffer('methods:a')).toEqual(Buffer.from('one'))
  expect(await pool.hset('methods:h', { b: 1, c: 2 })).toBe(2)
  expect(await pool.hgetall('methods:h')).toEqual({ b: '1', c: '2' })
  expect(await pool.eval('return ARGV[1]', 0, 'said')).toBe('said')
  const counted = await Promise.all(Array.from({ length: 20 }, () => pool.incr('methods:n')))
  expect(counted.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
  expect(pool.stats).toMatchObject({ borrowed: 0, idle: 2 })
})

test('a command that the server refuses rejects, and the connection is kept', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  const before = await fill(pool, 1)
  await pool.set('methods:a', 'no number')
  await expect(pool.incr('methods:a')).rejects.toThrow('not an integer')
  expect(await fill(pool, 1)).toEqual(before)
})

test('`use` runs a transaction with WATCH on one connection', async () => {
  const pool = openPool(connectionTo())
  await pool.set('methods:n', 1)
  const doubled = await pool.use(async (redis) => {
    await redis.watch('methods:n')
    const n = Number(await redis.get('methods:n'))
    return redis
      .multi()
      .set('methods:n', 2 * n)
      .get('methods:n')
      .exec()
  })
  expect(doubled).toEqual([
    [null, 'OK'],
    [null, '2'],
  ])
})

test('a blocking command occupies only its own connection', async () => {
  const pool = openPool(connectionTo(), { max: 2 })
  const popped = pool.use((redis) => redis.blpop('methods:a', 0))
  await pool.rpush('methods:a', 'for you')
  expect(await popped).toEqual(['methods:a', 'for you'])
})

test('commands that block or belong to one connection are not methods', () => {
  const pool = openPool(connectionTo())
  const flags = ['BLOCKING_COMMANDS', 'ENTER_SUBSCRIBER_MODE', 'EXIT_SUBSCRIBER_MODE'] as const
  const own =
    'auth call client discard exec hello himport monitor multi quit reset select unwatch wait watch'
  const names = [...flags.flatMap((flag) => Command.FLAGS[flag]), ...own.split(' ')]
  expect(names.filter((name) => name in pool || `${name}Buffer` in pool)).toEqual([])
})

test('SCRIPT DEBUG does not affect later callers', async () => {
  const pool = openPool(connectionTo(), { max: 1 })
  await pool.script('DEBUG', 'YES')
  expect(await pool.eval('return 1', 0)).toBe(1)
})

test('all other commands of ioredis are methods', () => {
  const pool = openPool(connectionTo())
  const left = Redis.prototype.getBuiltinCommands().filter((name) => !(name in pool))
  expect(left.length).toBeLessThan(45)
  expect(left).not.toEqual(expect.arrayContaining(['get', 'set', 'scan', 'publish', 'info']))
})
