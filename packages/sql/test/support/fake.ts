import { createForkSafePool, type ForkSafePool } from '@forksafe/core'
import { onTestFinished } from 'vitest'
import type { TransactionDialect } from '../../src/index.ts'

/** A fake session of a server. */
export interface Session {
  readonly ran: string[]
  /** A stream that is not read. */
  open: boolean
}

/** Opens a pool of one session, which records its end. */
export function openPool(): { pool: ForkSafePool<Session>; session: Session; ended: string[] } {
  const session: Session = { ran: [], open: false }
  const ended: string[] = []
  const pool = createForkSafePool(
    {
      name: 'fake',
      create: async () => session,
      destroy: () => void ended.push('destroyed'),
      discard: () => void ended.push('discarded'),
    },
    { max: 1 },
  )
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return { pool, session, ended }
}

/** A dialect that records its statements. */
export const dialect: TransactionDialect<Session> = {
  codePrefix: 'FAKE',
  begin: () => ['SET', 'BEGIN'],
  run: async ({ ran }, statement) => void ran.push(statement),
  cancel: async ({ resource }) => void resource.ran.push('cancel'),
  leftOpen: ({ open }) => (open ? new Error('left open') : undefined),
  refusesCommit: (error) => (error as Error).message === 'refused',
  isRetried: (error) => (error as Error).message === 'again',
}
