import { type MariadbServer, startMariadb } from '@forksafe/scripts/mariadb'
import { startPostgres } from '@forksafe/scripts/postgres'
import { type RedisServer, startRedis } from '@forksafe/scripts/redis'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    environment: Record<string, string>
  }
}

/** Starts a server of each kind for all libraries, and passes their addresses through the environment, as pg reads it. */
export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, mariadb, redis] = await Promise.all([
    startPostgres(),
    startMariadb(),
    startRedis({ tls: false }),
  ])
  const { host, port, user, password, database } = postgres
  project.provide('environment', {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    ...(password === undefined ? {} : { PGPASSWORD: password }),
    MYSQL_URL: urlOf(mariadb),
    REDIS_URL: `redis://${loginOf(redis)}${redis.host}:${redis.port}`,
  })
  return async () => {
    await Promise.all([postgres.stop(), mariadb.stop(), redis.stop()])
  }
}

function urlOf({ host, port, user, password = '', database }: MariadbServer): string {
  const account = [user, password].map(encodeURIComponent).join(':')
  return `mysql://${account}@${host}:${port}/${database}`
}

function loginOf({ username = '', password }: RedisServer): string {
  return password === undefined ? '' : `${[username, password].map(encodeURIComponent).join(':')}@`
}
