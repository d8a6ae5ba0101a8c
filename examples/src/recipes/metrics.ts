import { subscribe } from 'node:diagnostics_channel'

interface Acquired {
  readonly pool: string
  readonly durationMillis: number
  readonly error?: unknown
}

/** `record` is what your library has to observe a histogram. */
export function measureWaits(
  record: (seconds: number, labels: { pool: string; outcome: 'ok' | 'error' }) => void,
): void {
  subscribe('forksafe:acquire', (message) => {
    const { pool, durationMillis, error } = message as Acquired
    record(durationMillis / 1_000, { pool, outcome: error === undefined ? 'ok' : 'error' })
  })
}
