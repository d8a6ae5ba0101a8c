import type { ForkSafePool } from '@forksafe/core'
import { type Cluster, Redis, type RedisCommander } from 'ioredis'

/** Commands that block a connection, or make sense only on one: `pool.use` is for them. */
const EXCLUSIVE = [
  'asking',
  'auth',
  'blmove',
  'blmovem',
  'blmpop',
  'blpop',
  'brpop',
  'brpoplpush',
  'bzmpop',
  'bzpopmax',
  'bzpopmin',
  'call',
  'client',
  'discard',
  'exec',
  'hello',
  'himport',
  'monitor',
  'multi',
  'psubscribe',
  'psync',
  'punsubscribe',
  'quit',
  'readonly',
  'readwrite',
  'reset',
  'select',
  'ssubscribe',
  'subscribe',
  'sunsubscribe',
  'sync',
  'unsubscribe',
  'unwatch',
  'wait',
  'waitaof',
  'watch',
  'xread',
  'xreadgroup',
] as const

/** The commands of an ioredis client. */
type Commands = RedisCommander<{ type: 'default' }>
/** The commands that need `pool.use`. */
type Exclusive = (typeof EXCLUSIVE)[number]

/**
 * The methods that the driver adds to the pool: ioredis's commands, each run on any free connection. Each rejects as `acquire`
 * does, or with the server's error. Commands that need a connection of their own are excluded.
 */
export type RedisMethods = Omit<Commands, Exclusive | `${Exclusive}Buffer`>

/** A pool of connections to Redis, as `createForkSafePool(redisDriver, …)` returns it. */
export type RedisPool = ForkSafePool<Redis> & RedisMethods
/** A pool of clients of a Redis Cluster, as `createForkSafePool(redisClusterDriver, …)` returns it. */
export type RedisClusterPool = ForkSafePool<Cluster> & RedisMethods

type Method = (...args: unknown[]) => Promise<unknown>

const exclusive: ReadonlySet<string> = new Set(EXCLUSIVE)

/** Returns the methods for a pool: one for each command of ioredis, also in its `Buffer` form, that needs no connection of its own. */
export function redisMethods<R extends Redis | Cluster>(pool: ForkSafePool<R>): RedisMethods {
  const names = Redis.prototype.getBuiltinCommands().filter((name) => !exclusive.has(name))
  const methods: Record<string, Method> = {}
  for (const name of [...names, ...names.map((name) => `${name}Buffer`)]) {
    methods[name] = (...args) =>
      pool.use((client) => (client as unknown as Record<string, Method>)[name]?.(...args))
  }
  return methods as unknown as RedisMethods
}
