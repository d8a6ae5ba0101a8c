import type { ConformanceOptions } from '@forksafe/testkit'
import type { Redis } from 'ioredis'
import type { RedisConnection } from '../../src/index.ts'
import { connectionTo, observe, targetOf, type Transport } from './pools.ts'

/** Returns the options of the conformance suite for a Redis over a transport. */
export function redisOptions(transport: Transport): ConformanceOptions<Redis, RedisConnection> {
  const goodbye = (bytes: Buffer): boolean => bytes.toString() === '*1\r\n$4\r\nquit\r\n'
  return {
    name: `redis over ${transport}`,
    server: targetOf(transport),
    connection: (proxy) => connectionTo({ transport, proxy }),
    echo: (redis, text) => redis.echo(text),
    session: {
      leave: (redis) => redis.select(3),
      left: async (redis) => / db=3 /.test(await redis.client('INFO')),
    },
    failures: {
      'a wrong password': {
        kind: 'fatal',
        connection: (proxy) => ({
          ...connectionTo({ transport, proxy }),
          username: 'nobody',
          password: 'wrong',
        }),
      },
    },
    goodbye: transport === 'TLS' ? undefined : goodbye,
    kill: async (redis) => {
      const id = await redis.client('ID')
      await observe((operator) => operator.client('KILL', 'ID', id))
    },
  }
}
