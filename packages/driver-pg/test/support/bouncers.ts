import {
  type PgBouncer,
  type PgBouncerOptions,
  pgBouncerSupported,
  startPgBouncer,
} from '@forksafe/scripts/pgbouncer'
import type { ClientConfig } from 'pg'
import { beforeAll, beforeEach, onTestFinished } from 'vitest'
import type { OwnServer } from './own-server.ts'

export const MODES = ['session', 'transaction'] as const
export type Mode = (typeof MODES)[number]

/** Skips a file's tests, with the reason, where there is no PgBouncer and none can be installed. */
export function needPgBouncer(): void {
  let support: Awaited<ReturnType<typeof pgBouncerSupported>>
  // To install it takes as long as it takes.
  beforeAll(async () => {
    support = await pgBouncerSupported()
  }, 120_000)
  beforeEach(({ skip }) => {
    if (!support.supported) skip(support.reason)
  })
}

/** A PgBouncer in front of a server, for one test. */
export async function startBouncer(
  { server, connection }: OwnServer,
  options: Omit<PgBouncerOptions, 'server'>,
): Promise<{ bouncer: PgBouncer; through: ClientConfig }> {
  const bouncer = await startPgBouncer({ server, ...options })
  onTestFinished(() => bouncer.stop())
  const { host, port } = bouncer
  return { bouncer, through: { ...connection, host, port } }
}
