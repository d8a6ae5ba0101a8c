import { subscribe } from 'node:diagnostics_channel'

interface Acquired {
  readonly pool: string
  readonly durationMillis: number
  readonly error?: unknown
}

/** Records the duration of each acquire. `record` is the function of your metrics library that observes a histogram. */
export function measureWaits(
  record: (seconds: number, labels: { pool: string; outcome: 'ok' | 'error' }) => void,
): void {
  subscribe('forksafe:acquire', (message) => {
    const { pool, durationMillis, error } = message as Acquired
    record(durationMillis / 1_000, { pool, outcome: error === undefined ? 'ok' : 'error' })
  })
}
