import { poolHealth } from '@forksafe/core'
import type { ServerResponse } from 'node:http'
import { pool } from './pool.ts'

/** Answers a readiness probe: 200 if a connection works, otherwise 503 and the reason. */
export async function answerProbe(response: ServerResponse): Promise<void> {
  const health = await poolHealth(pool, { timeoutMillis: 800 })
  response.writeHead(health.healthy ? 200 : 503, { 'content-type': 'text/plain' })
  response.end(health.healthy ? 'ready' : health.reason)
}
