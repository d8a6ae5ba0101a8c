import type { ForkSafePool } from '@forksafe/core'
import { type Cluster, Redis, type RedisCommander } from 'ioredis'

/** What means something on one connection only, or blocks it: a matter for `pool.use`. */
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

/** ioredis's commands, as a client has them. */
type Commands = RedisCommander<{ type: 'default' }>
/** Those that `pool.use` is for. */
type Exclusive = (typeof EXCLUSIVE)[number]

/**
 * What the driver adds to the pool: ioredis's commands, each on whichever connection is free. Each rejects as `acquire`
 * does, or with the server's error. What needs a connection of its own is not among them.
 */
export type RedisMethods = Omit<Commands, Exclusive | `${Exclusive}Buffer`>

/** A pool of connections to Redis, as `createForkSafePool(redisDriver, …)` makes it. */
export type RedisPool = ForkSafePool<Redis> & RedisMethods
/** A pool of clients of a Redis Cluster, as `createForkSafePool(redisClusterDriver, …)` makes it. */
export type RedisClusterPool = ForkSafePool<Cluster> & RedisMethods

type Verb = (...args: unknown[]) => Promise<unknown>

const exclusive: ReadonlySet<string> = new Set(EXCLUSIVE)

export function redisMethods<R extends Redis | Cluster>(pool: ForkSafePool<R>): RedisMethods {
  const names = Redis.prototype.getBuiltinCommands().filter((name) => !exclusive.has(name))
  const methods: Record<string, Verb> = {}
  for (const name of [...names, ...names.map((name) => `${name}Buffer`)]) {
    methods[name] = (...args) =>
      pool.use((client) => (client as unknown as Record<string, Verb>)[name]?.(...args))
  }
  return methods as unknown as RedisMethods
}
