import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createForkSafePool,
  type ForkSafePool,
  type Lease,
  LeaseReleasedError,
} from '../src/index.ts'
import {
  cancelOrEnd,
  transact,
  type TransactionAttempts,
  type TransactionDialect,
  type TransactionWatch,
  type TransactionWork,
  useUntilAborted,
  type Work,
} from '../src/methods/index.ts'

// The methods that database drivers share. The drivers test them on real servers.

/** A fake session of a server. */
interface Session {
  readonly ran: string[]
  /** A stream that is not read. */
  open: boolean
}

function openPool(): { pool: ForkSafePool<Session>; session: Session; ended: string[] } {
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

const dialect: TransactionDialect<Session> = {
  run: async ({ ran }, statement) => void ran.push(statement),
  cancel: async ({ resource }) => void resource.ran.push('cancel'),
  leftOpen: ({ open }) => (open ? new Error('left open') : undefined),
  commit: async ({ resource }) => void resource.ran.push('COMMIT'),
  isRetried: (error) => (error as Error).message === 'again',
}

function transaction<T>(
  pool: ForkSafePool<Session>,
  work: TransactionWork<Session, T>,
  attempts: TransactionAttempts & { readonly dialect?: Partial<TransactionDialect<Session>> } = {},
): Promise<T> {
  return transact(pool, { ...dialect, ...attempts.dialect }, ['SET', 'BEGIN'], work, attempts)
}

function failing(message: string): () => never {
  return () => {
    throw new Error(message)
  }
}

describe('a transaction', () => {
  test('is committed when its work is done, and returns its result', async () => {
    const { pool, session } = openPool()
    expect(await transaction(pool, ({ ran }) => ran.push('work'))).toBe(3)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'work', 'COMMIT'])
    expect(pool.stats.idle).toBe(1)
  })

  test('is rolled back when its work throws, and rejects with the first error', async () => {
    const { pool, session } = openPool()
    const run = async ({ ran }: Session, statement: string): Promise<void> => {
      ran.push(statement)
      if (statement === 'ROLLBACK') throw new Error('gone')
    }
    const failed = transaction(pool, failing('of the work'), { dialect: { run } })
    await expect(failed).rejects.toThrow('of the work')
    expect(session.ran).toEqual(['SET', 'BEGIN', 'ROLLBACK'])
  })

  test('is retried as often as requested, and only after transient errors', async () => {
    const { pool, session } = openPool()
    await expect(transaction(pool, failing('again'), { retries: 2 })).rejects.toThrow('again')
    expect(session.ran.filter((statement) => statement === 'BEGIN')).toHaveLength(3)
    session.ran.length = 0
    await expect(transaction(pool, failing('no'), { retries: 2 })).rejects.toThrow('no')
    expect(session.ran.filter((statement) => statement === 'BEGIN')).toHaveLength(1)
  })

  test('is not retried once its signal has aborted, not even in a pause', async () => {
    const { pool, session } = openPool()
    const controller = new AbortController()
    const { signal } = controller
    const failed = transaction(pool, failing('again'), { retries: 1_000, signal })
    await expect.poll(() => session.ran.length).toBeGreaterThan(20)
    controller.abort(new Error('enough'))
    await expect(failed).rejects.toThrow('enough')
  })

  test('is cancelled and rolled back when its signal aborts', async () => {
    const { pool, session } = openPool()
    const controller = new AbortController()
    const working = transaction(
      pool,
      async ({ ran }) => {
        controller.abort(new Error('enough'))
        await expect.poll(() => ran).toContain('cancel')
      },
      { signal: controller.signal },
    )
    await expect(working).rejects.toThrow('enough')
    await expect.poll(() => pool.stats.idle).toBe(1)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'cancel', 'ROLLBACK'])
  })

  test('whose COMMIT fails is not rolled back', async () => {
    const { pool, session } = openPool()
    const commit = (): Promise<void> => Promise.reject(new Error('not known'))
    await expect(transaction(pool, () => 1, { dialect: { commit } })).rejects.toThrow('not known')
    expect(session.ran).toEqual(['SET', 'BEGIN'])
  })

  test('is not committed if its work left something open: its resource ends', async () => {
    const { pool, session } = openPool()
    const failed = transaction(pool, (session) => (session.open = true))
    await expect(failed).rejects.toThrow('left open')
    expect(session.ran).toEqual(['SET', 'BEGIN'])
    expect(pool.stats.idle).toBe(0)
  })
})

describe('a transaction that is watched', () => {
  /** A watch whose outcome a test decides. */
  function watched(outcome: TransactionWatch['outcome'], settled = outcome) {
    const log: string[] = []
    const watch: TransactionWatch & { outcome: TransactionWatch['outcome'] } = {
      outcome: 'open',
      failure: (options) => new Error(watch.outcome, options),
      refuse: (reason) => void log.push(`refuse ${(reason as Error).message}`),
      settle: () => {
        log.push('settle')
        watch.outcome = settled
        return Promise.resolve()
      },
      stop: () => void log.push('stop'),
    }
    const end = (): void => {
      watch.outcome = outcome
    }
    return { watch, log, end, dialect: { watch: () => watch } }
  }

  test('is committed while it is open', async () => {
    const { pool, session } = openPool()
    const { dialect, log } = watched('open')
    await transaction(pool, () => 1, { dialect })
    expect(session.ran).toEqual(['SET', 'BEGIN', 'COMMIT'])
    expect(log).toEqual(['settle', 'stop'])
  })

  test.each(['ended', 'unknown'] as const)('rejects when its work returns: %s', async (outcome) => {
    const { pool, session } = openPool()
    const { dialect, end } = watched(outcome)
    await expect(transaction(pool, end, { dialect })).rejects.toThrow(outcome)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'ROLLBACK'])
  })

  test('rejects when its work throws, with that error as the cause, and is not retried', async () => {
    const { pool, session } = openPool()
    const { dialect, end } = watched('ended')
    const again = new Error('again')
    const work = (): never => {
      end()
      throw again
    }
    const failed = transaction(pool, work, { dialect, retries: 3 })
    await expect(failed).rejects.toMatchObject({ message: 'ended', cause: again })
    expect(session.ran).toEqual(['SET', 'BEGIN', 'ROLLBACK'])
  })

  test('rejects from a savepoint in which it has ended', async () => {
    const { pool, session } = openPool()
    const { dialect, end } = watched('ended')
    const rejected: unknown[] = []
    const failed = transaction(
      pool,
      async (_, savepoint) => {
        await savepoint(end).catch((error: unknown) => rejected.push(error))
      },
      { dialect },
    )
    await expect(failed).rejects.toThrow('ended')
    expect(rejected).toEqual([expect.objectContaining({ message: 'ended' })])
    expect(session.ran).not.toContain('COMMIT')
  })

  test.each([
    ['ended', 'ended'],
    ['open', 'enough'],
  ] as const)(
    'is asked about when its signal aborts, if it is unknown: %s',
    async (settled, message) => {
      const { pool } = openPool()
      const { dialect, log, end } = watched('unknown', settled)
      const controller = new AbortController()
      let finish = (): void => undefined
      const failed = transaction(
        pool,
        async () => {
          end()
          controller.abort(new Error('enough'))
          await new Promise<void>((resolve) => (finish = resolve))
        },
        { dialect, signal: controller.signal },
      )
      await expect(failed).rejects.toThrow(message)
      expect(log).toEqual(['refuse enough', 'settle'])
      finish()
      await expect.poll(() => pool.stats.idle).toBe(1)
      expect(log).toEqual(['refuse enough', 'settle', 'stop'])
    },
  )

  test('remains unknown if its outcome cannot be determined', async () => {
    const { pool } = openPool()
    const { dialect, watch, end } = watched('unknown')
    watch.settle = () => Promise.reject(new Error('lost'))
    const failed = transaction(pool, end, { dialect })
    await expect(failed).rejects.toMatchObject({ message: 'unknown', cause: { message: 'lost' } })
  })
})

describe('a savepoint', () => {
  test('keeps what it did, and nests', async () => {
    const { pool, session } = openPool()
    await transaction(pool, (_, savepoint) =>
      savepoint((_, inner) => inner(({ ran }) => ran.push('work'))),
    )
    expect(session.ran.slice(2)).toEqual([
      'SAVEPOINT forksafe_1',
      'SAVEPOINT forksafe_2',
      'work',
      'RELEASE SAVEPOINT forksafe_2',
      'RELEASE SAVEPOINT forksafe_1',
      'COMMIT',
    ])
  })

  test('rolls back to its start, and the transaction continues', async () => {
    const { pool, session } = openPool()
    await transaction(pool, async (_, savepoint) => {
      await expect(savepoint(failing('inside'))).rejects.toThrow('inside')
      await savepoint(() => undefined)
    })
    expect(session.ran.slice(2)).toEqual([
      'SAVEPOINT forksafe_1',
      'ROLLBACK TO SAVEPOINT forksafe_1',
      'RELEASE SAVEPOINT forksafe_1',
      'SAVEPOINT forksafe_1',
      'RELEASE SAVEPOINT forksafe_1',
      'COMMIT',
    ])
  })

  test('concurrent with another is rejected', async () => {
    const { pool } = openPool()
    const crossed = transaction(pool, (_, savepoint) =>
      Promise.all([savepoint(() => undefined), savepoint(() => undefined)]),
    )
    await expect(crossed).rejects.toThrow(
      'Pool "fake", `savepoint`: expected the one before to have ended, got another beside it',
    )
  })

  test('that still runs when its transaction ends is not committed: its resource ends', async () => {
    const { pool, session } = openPool()
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => (end = resolve))
    let forgotten: Promise<unknown> | undefined
    const failed = transaction(pool, async ({ ran }, savepoint) => {
      forgotten = savepoint(() => ended)
      await expect.poll(() => ran).toContain('SAVEPOINT forksafe_1')
    })
    await expect(failed).rejects.toThrow(
      'Pool "fake", `savepoint`: expected it to have ended before what it is in: await it.',
    )
    expect(pool.stats).toMatchObject({ idle: 0, borrowed: 0 })
    end()
    await expect(forgotten).rejects.toThrow(LeaseReleasedError)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'SAVEPOINT forksafe_1'])
  })

  test('that still runs when its parent fails is not rolled back in the middle of its work', async () => {
    const { pool, session } = openPool()
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => (end = resolve))
    let forgotten: Promise<unknown> | undefined
    const failed = transaction(pool, (_, savepoint) =>
      savepoint(async ({ ran }, inner) => {
        forgotten = inner(() => ended)
        await expect.poll(() => ran).toContain('SAVEPOINT forksafe_2')
        throw new Error('of the work')
      }),
    )
    await expect(failed).rejects.toThrow('of the work')
    end()
    await expect(forgotten).rejects.toThrow(LeaseReleasedError)
    expect(session.ran.slice(2)).toEqual(['SAVEPOINT forksafe_1', 'SAVEPOINT forksafe_2'])
    expect(pool.stats).toMatchObject({ idle: 0, borrowed: 0 })
  })
})

describe('work with a signal', () => {
  const { cancel } = dialect

  test('releases the resource when it is done', async () => {
    const { pool } = openPool()
    const { signal } = new AbortController()
    expect(await useUntilAborted(pool, signal, cancel, async () => 1)).toBe(1)
    await expect.poll(() => pool.stats.idle).toBe(1)
  })

  test('rejects at once when it aborts, and releases the resource when it is clean', async () => {
    const { pool, session } = openPool()
    const controller = new AbortController()
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => (end = resolve))
    const working = useUntilAborted(pool, controller.signal, cancel, () => ended)
    await expect.poll(() => pool.stats.borrowed).toBe(1)
    await Promise.resolve()
    controller.abort(new Error('enough'))
    await expect(working).rejects.toThrow('enough')
    expect(pool.stats.borrowed).toBe(1)
    end()
    await expect.poll(() => pool.stats.idle).toBe(1)
    expect(session.ran).toEqual(['cancel'])
  })

  test('does not start if it aborts while the resource is being handed over', async () => {
    const { pool } = openPool()
    ;(await pool.acquire()).release()
    const controller = new AbortController()
    let begun = false
    const work = async (): Promise<void> => void (begun = true)
    const working = useUntilAborted(pool, controller.signal, cancel, work)
    controller.abort(new Error('enough'))
    await expect(working).rejects.toThrow('enough')
    expect(begun).toBe(false)
    expect(pool.stats.idle).toBe(1)
  })

  test('ignores an abort after `decide`, and fails at `decide` after an abort', async () => {
    const { pool } = openPool()
    const decided = new AbortController()
    const late = useUntilAborted(
      pool,
      decided.signal,
      cancel,
      async (_resource, _lease, decide) => {
        decide()
        decided.abort()
        return 'done'
      },
    )
    expect(await late).toBe('done')
    const aborted = new AbortController()
    let told: unknown
    const early = useUntilAborted(
      pool,
      aborted.signal,
      cancel,
      async (_resource, _lease, decide) => {
        aborted.abort(new Error('enough'))
        try {
          decide()
        } catch (error) {
          told = error
        }
      },
    )
    await expect(early).rejects.toThrow('enough')
    expect(told).toMatchObject({ message: 'enough' })
  })

  describe.each([
    ['`cancel`', () => new Promise<never>(() => undefined), async () => undefined],
    ['the work', cancel, () => new Promise<never>(() => undefined)],
  ])('that aborts while %s never settles', (_, cancel, work) => {
    test('discards the resource after 3 seconds', async () => {
      const { pool, ended } = openPool()
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => void vi.useRealTimers())
      const controller = new AbortController()
      let used: Lease<Session> | undefined
      const working = useUntilAborted(pool, controller.signal, cancel, (_, lease) => {
        used = lease
        controller.abort(new Error('enough'))
        return work()
      })
      await expect(working).rejects.toThrow('enough')
      await vi.advanceTimersByTimeAsync(2_999)
      expect(pool.stats.borrowed).toBe(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(pool.stats).toMatchObject({ borrowed: 0, idle: 0, size: 0 })
      expect(ended).toEqual(['discarded'])
      expect(() => used?.resource).toThrow(LeaseReleasedError)
    })
  })

  test('discards the resource 3 seconds after an abort that came after `decide`, if the work does not settle', async () => {
    const { pool, ended } = openPool()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const controller = new AbortController()
    let fail: (error: Error) => void = () => undefined
    const work: Work<Session, void> = (_resource, _lease, decide) => {
      decide()
      controller.abort(new Error('enough'))
      return new Promise((_, reject) => (fail = reject))
    }
    const working = useUntilAborted(pool, controller.signal, cancel, work)
    working.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(2_999)
    expect(pool.stats.borrowed).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(pool.stats).toMatchObject({ borrowed: 0, idle: 0, size: 0 })
    expect(ended).toEqual(['discarded'])
    fail(new Error('unknown'))
    await expect(working).rejects.toThrow('unknown')
  })

  test('does not touch a resource that its holder has ended in the meantime', async () => {
    const { pool, ended } = openPool()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const controller = new AbortController()
    const working = useUntilAborted(pool, controller.signal, cancel, (_, lease) => {
      lease.release()
      controller.abort(new Error('enough'))
      return new Promise<never>(() => undefined)
    })
    await expect(working).rejects.toThrow('enough')
    await vi.advanceTimersByTimeAsync(3_000)
    expect(pool.stats).toMatchObject({ borrowed: 0, idle: 1 })
    expect(ended).toEqual([])
  })

  test('discards the resource if the running statement cannot be cancelled', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    await cancelOrEnd(lease, () => Promise.reject(new Error('no answer')))
    expect(() => lease.release()).toThrow(LeaseReleasedError)
    expect(pool.stats.borrowed).toBe(0)
    await expect.poll(() => ended).toEqual(['discarded'])
  })

  test('destroys the resource through another implementation of a lease', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    const destroy = (error?: Error): void => lease.destroy(error)
    const another = { destroy } as Lease<Session>
    await cancelOrEnd(another, () => Promise.reject(new Error('no answer')))
    await expect.poll(() => ended).toEqual(['destroyed'])
  })
})
