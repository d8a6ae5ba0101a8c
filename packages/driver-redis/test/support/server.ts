import { type RedisServer, startRedis } from '@forksafe/scripts/redis'
import type { TestProject } from 'vitest/node'

/** The address of the server that all tests share. */
export type SharedServer = Pick<
  RedisServer,
  'host' | 'port' | 'tlsPort' | 'socketPath' | 'username' | 'password' | 'ca'
>

declare module 'vitest' {
  interface ProvidedContext {
    redis: SharedServer
  }
}

export default async function serve(project: TestProject): Promise<() => Promise<void>> {
  const server = await startRedis()
  const { host, port, tlsPort, socketPath, username, password, ca } = server
  project.provide('redis', { host, port, tlsPort, socketPath, username, password, ca })
  return () => server.stop()
}
