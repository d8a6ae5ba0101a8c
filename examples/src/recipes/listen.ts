import { pool } from './pool.ts'

/** Listens until `signal` aborts. If the connection ends, continues on a new one. */
export async function listen(
  channel: string,
  heard: (payload: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const lease = await pool.acquire({ signal, timeoutMillis: Infinity, leakDetectionMillis: 0 })
    const client = lease.resource
    const ended = new Promise((resolve) => client.once('end', resolve))
    const stop = (): void => lease.destroy() // No other caller may get a connection that listens.
    signal.addEventListener('abort', stop, { once: true })
    try {
      client.on('notification', ({ payload }) => heard(payload))
      await client.query(`listen ${client.escapeIdentifier(channel)}`)
      await ended
    } finally {
      signal.removeEventListener('abort', stop)
      stop()
    }
  }
}
