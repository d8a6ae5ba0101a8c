import type { ForkSafePool, Lease } from '@forksafe/core'
import { setTimeout } from 'node:timers/promises'
import type { TransactionDialect, TransactionWork } from './dialect.ts'
import { checkTransaction, type TransactionOptions } from './options.ts'
import { Transaction } from './transaction.ts'
import { useUntilAborted } from './until-aborted.ts'

const FIRST_PAUSE_MILLIS = 10
const LONGEST_PAUSE_MILLIS = 1_000

/**
 * Runs `work` on one resource of the pool, between the statements of the dialect's `begin` and COMMIT, as often as `retries` allows,
 * and returns its result. Rejects as `acquire` does, with the signal's reason, or with what `work` throws after it is rolled back.
 * @throws {RolledBackError} if the server rolled back the transaction although `work` succeeded.
 * @throws {CommitUnknownError} if it is unknown whether the transaction was committed.
 * @throws {TransactionEndedError} if `work` ended the transaction itself and the dialect has a `watch`.
 * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
 */
export async function transact<R extends object, T, O extends TransactionOptions>(
  pool: ForkSafePool<R>,
  dialect: TransactionDialect<R, O>,
  work: TransactionWork<R, T>,
  options: O = {} as O,
): Promise<T> {
  const { name } = pool.stats
  checkTransaction(name, work, options, dialect.options)
  const begin = dialect.begin(options)
  const { retries = 0, signal } = options
  for (let attempt = 0; ; attempt++) {
    let transaction: Transaction<R> | undefined
    const cancel = (lease: Lease<R>): Promise<void> =>
      transaction?.abort(signal?.reason) ?? dialect.cancel(lease)
    try {
      return await useUntilAborted(pool, signal, cancel, async (_, lease, decide) => {
        transaction = new Transaction(name, dialect, lease)
        for (const statement of begin) await transaction.run(statement)
        return transaction.complete(work, signal, decide)
      })
    } catch (error) {
      const failure = (await transaction?.reported(error)) ?? error
      if (attempt >= retries || !dialect.isRetried(failure) || signal?.aborted === true) {
        throw failure
      }
    }
    const longest = Math.min(LONGEST_PAUSE_MILLIS, FIRST_PAUSE_MILLIS * 2 ** Math.min(attempt, 10))
    await setTimeout(Math.random() * longest, undefined, signal && { signal }).catch(() => {
      throw signal?.reason
    })
  }
}
