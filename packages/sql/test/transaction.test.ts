import { type ForkSafePool, LeaseReleasedError } from '@forksafe/core'
import type { Rule } from '@forksafe/core/methods'
import { describe, expect, test } from 'vitest'
import {
  CommitUnknownError,
  modesOf,
  RolledBackError,
  transact,
  TransactionEndedError,
  type TransactionDialect,
  type TransactionOptions,
  type TransactionOutcome,
  type TransactionWatch,
  type TransactionWork,
} from '../src/index.ts'
import { dialect, openPool, type Session } from './support/fake.ts'

// The drivers test the same on real servers.

type Options = TransactionOptions & { readonly dialect?: Partial<TransactionDialect<Session>> }

function transaction<T>(
  pool: ForkSafePool<Session>,
  work: TransactionWork<Session, T>,
  { dialect: own, ...options }: Options = {},
): Promise<T> {
  return transact(pool, { ...dialect, ...own }, work, options)
}

const word: Rule = {
  expected: 'a word',
  accepts: (value) => typeof value === 'string',
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

  /** A dialect whose server answers COMMIT with `error`. */
  function failingCommit(error: Error): Partial<TransactionDialect<Session>> {
    return {
      run: async ({ ran }, statement) => {
        ran.push(statement)
        if (statement === 'COMMIT') throw error
      },
    }
  }

  test("rejects with the server's error if the server refuses COMMIT, and sends no ROLLBACK", async () => {
    const { pool, session } = openPool()
    const refused = new Error('refused')
    const failed = transaction(pool, () => 1, { dialect: failingCommit(refused) })
    await expect(failed).rejects.toBe(refused)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'COMMIT'])
  })

  test('rejects with CommitUnknownError after any other error of COMMIT, and is not retried', async () => {
    const { pool, session } = openPool()
    const lost = new Error('again')
    const options = { dialect: failingCommit(lost), retries: 3 }
    const error: unknown = await transaction(pool, () => 1, options).catch((error) => error)
    expect(error).toBeInstanceOf(CommitUnknownError)
    expect(error).toMatchObject({
      name: 'CommitUnknownError',
      code: 'FAKE_COMMIT_UNKNOWN',
      pool: 'fake',
      cause: lost,
    })
    expect(session.ran).toEqual(['SET', 'BEGIN', 'COMMIT'])
  })

  test('rejects with RolledBackError if the answer to COMMIT is that it was rolled back', async () => {
    const { pool } = openPool()
    const run = async (_: Session, statement: string): Promise<string> => statement
    const whyRolledBack = (answer: unknown): string => `the answer is ${String(answer)}`
    const failed = transaction(pool, () => 1, { dialect: { run, whyRolledBack } })
    await expect(failed).rejects.toBeInstanceOf(RolledBackError)
    await expect(failed).rejects.toMatchObject({
      name: 'RolledBackError',
      code: 'FAKE_ROLLED_BACK',
      message: 'Pool "fake": the transaction was rolled back: the answer is COMMIT.',
    })
  })

  test('sends no COMMIT if the server has already rolled it back', async () => {
    const { pool, session } = openPool()
    const alreadyOver = (): Error => new Error('a deadlock')
    const failed = transaction(pool, () => 1, { dialect: { alreadyOver } })
    await expect(failed).rejects.toThrow('a deadlock')
    expect(session.ran).toEqual(['SET', 'BEGIN'])
  })

  test('sends no COMMIT once its lease has ended, and its outcome is known', async () => {
    const { pool, session } = openPool()
    const closed = transaction(pool, () => pool.close({ deadlineMillis: 0 }))
    await expect(closed).rejects.toBeInstanceOf(LeaseReleasedError)
    expect(session.ran).toEqual(['SET', 'BEGIN'])
  })

  test('begins with the statements of the dialect for its options', async () => {
    const { pool, session } = openPool()
    const begin = (options: TransactionOptions): string[] => [
      `BEGIN ${modesOf(options).join(', ')}`,
    ]
    const options = { isolation: 'repeatable read', readOnly: true } as const
    await transaction(pool, () => 1, { ...options, dialect: { begin } })
    await transaction(pool, () => 1, { readOnly: false, dialect: { begin } })
    expect(session.ran).toEqual([
      'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY',
      'COMMIT',
      'BEGIN READ WRITE',
      'COMMIT',
    ])
  })

  test.each([
    [
      { isolation: 'snapshot' },
      "expected `isolation` to be 'read uncommitted', 'read committed', ",
    ],
    [{ readOnly: 1 }, 'expected `readOnly` to be true or false, got 1 (number).'],
    [{ retries: -1 }, 'expected `retries` to be a whole number of at least 0, got -1 (number).'],
    [{ signal: 'no' }, 'expected `signal` to be an AbortSignal, got a string.'],
    [{ deferrable: true }, 'there is no option `deferrable`'],
    [
      { mode: 1, dialect: { options: { mode: word } } },
      'expected `mode` to be a word, got a number',
    ],
  ])('refuses the options %o before it takes a resource', async (options, message) => {
    const { pool, session } = openPool()
    const failed = transaction(pool, () => 1, options as Options)
    await expect(failed).rejects.toThrow(TypeError)
    await expect(failed).rejects.toThrow(`Pool "fake", \`transaction\`: ${message}`)
    expect(session.ran).toEqual([])
  })

  test('refuses work that is no function', async () => {
    const { pool } = openPool()
    await expect(transaction(pool, 'work' as never)).rejects.toThrow(
      'Pool "fake", `transaction`: expected a function, got a string.',
    )
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
  function watched(outcome: TransactionOutcome, settled = outcome) {
    const log: string[] = []
    const watch: TransactionWatch & { outcome: TransactionOutcome; cause?: unknown } = {
      outcome: 'open',
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

  test.each([
    ['ended', TransactionEndedError],
    ['unknown', CommitUnknownError],
  ] as const)('rejects when its work returns: %s', async (outcome, expected) => {
    const { pool, session } = openPool()
    const { dialect, end } = watched(outcome)
    await expect(transaction(pool, end, { dialect })).rejects.toBeInstanceOf(expected)
    expect(session.ran).toEqual(['SET', 'BEGIN', 'ROLLBACK'])
  })

  test('reports the error of the watch as the cause of an unknown outcome', async () => {
    const { pool } = openPool()
    const { dialect, watch, end } = watched('unknown')
    watch.cause = new Error('the last error of the server')
    await expect(transaction(pool, end, { dialect })).rejects.toMatchObject({ cause: watch.cause })
  })

  test('rejects with the error that its work got for it, and not with another around it', async () => {
    const { pool } = openPool()
    const { dialect, end } = watched('ended')
    const told = new TransactionEndedError('fake', 'FAKE')
    const work = (): never => {
      end()
      throw told
    }
    await expect(transaction(pool, work, { dialect })).rejects.toBe(told)
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
    await expect(failed).rejects.toMatchObject({
      name: 'TransactionEndedError',
      code: 'FAKE_TRANSACTION_ENDED',
      cause: again,
    })
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
    await expect(failed).rejects.toBeInstanceOf(TransactionEndedError)
    expect(rejected).toEqual([expect.any(TransactionEndedError)])
    expect(session.ran).not.toContain('COMMIT')
  })

  test.each([
    ['ended', 'the transaction had ended before its work did'],
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
    await expect(failed).rejects.toMatchObject({
      name: 'CommitUnknownError',
      cause: { message: 'lost' },
    })
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
