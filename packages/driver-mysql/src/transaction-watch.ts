import type { Lease } from '@forksafe/core'
import {
  CommitUnknownError,
  RolledBackError,
  TransactionEndedError,
  type TransactionOutcome,
  type TransactionWatch,
} from '@forksafe/sql'
import type { MysqlClient } from './client.ts'
import { mayName, type TransactionEffect, transactionEffectOf } from './transaction-effects.ts'
import {
  type Command,
  type Core,
  createQuery,
  refuse,
  startBefore,
  textOfStatement,
  untyped,
} from './internals.ts'
import { ASK, type Session, sessionOf, type TransactionListener } from './session.ts'

/** Begins the codes of the driver's errors of transactions. */
export const CODE_PREFIX = 'FORKSAFE_MYSQL'

const NO_SUCH_SAVEPOINT = 1305 // ER_SP_DOES_NOT_EXIST
/** After these errors, the server may have rolled back the whole transaction. */
const ROLLING_BACK = new Set<unknown>([
  1020, // ER_CHECKREAD: of MariaDB, where `innodb_snapshot_isolation` is on
  1205, // ER_LOCK_WAIT_TIMEOUT
  1213, // ER_LOCK_DEADLOCK
])

/** Set before a statement that may end the transaction, and released after it: which fails exactly if that has ended. */
const SET_CANARY = 'SAVEPOINT forksafe'
const CHECK_CANARY = 'RELEASE SAVEPOINT forksafe'
const OF_OURS = /^(?:SAVEPOINT|(?:ROLLBACK TO|RELEASE) SAVEPOINT) forksafe_(\d+)$/

interface Sent {
  readonly sql: string
  readonly effect: TransactionEffect
  /** The number of the savepoint, if it is a statement of our `savepoint`. */
  readonly ours: number | undefined
}

/**
 * Notices that `work` ends its transaction, and starts each statement only while the transaction is open: by then, all statements
 * before it are answered. The status behind each answer shows a transaction that has ended, unless another one has begun. So
 * around a statement that may do both, it sets a savepoint and releases it, which takes two round trips.
 */
export class Watch implements TransactionWatch, TransactionListener {
  readonly #lease: Lease<MysqlClient>
  readonly #pool: string
  readonly #session: Session
  readonly #core: Core
  readonly #sent = new WeakMap<Command, Sent>()
  readonly #restore: () => void
  #ended = false
  /** The server has rolled it back, and it may have been committed before. */
  #unknown = false
  #refusal: Refusal | undefined
  #settled = false
  /** How many savepoints of ours are open. */
  #depth = 0
  #canary = false
  /**
   * How many were open when the user set a savepoint, if one was. The canary has to be older: to release a savepoint, or to roll
   * back to it, removes the ones that were set after it.
   */
  #namedAt: number | undefined
  /** How many were open when a statement ran that may have ended the transaction, which is not checked yet. */
  #uncheckedAt: number | undefined
  /** The statement that has no answer yet. */
  #running: TransactionEffect = 'none'
  /** The statement that failed since the server last said that the transaction was open. */
  #failed: TransactionEffect | undefined

  constructor(lease: Lease<MysqlClient>, pool: string) {
    this.#lease = lease
    this.#pool = pool
    const client = lease.resource
    this.#session = sessionOf(client)
    this.#core = untyped(client.connection)
    this.#restore = this.#intercept()
    this.#session.listener = this
  }

  get outcome(): TransactionOutcome {
    if (this.#ended) return 'ended'
    const isUnknown = this.#unknown || this.#uncheckedAt !== undefined || this.#running !== 'none'
    return isUnknown ? 'unknown' : 'open'
  }

  /** The last error that the server reported. */
  get cause(): unknown {
    return this.#session.failure
  }

  refuse(reason: unknown): void {
    this.#refusal = { reason }
  }

  settle(): Promise<void> | undefined {
    const { busy, inDoubt } = this.#session
    return busy || inDoubt || this.outcome === 'unknown' ? this.#ask() : undefined
  }

  stop(): void {
    this.#restore()
    this.#session.listener = undefined
  }

  status(inTransaction: boolean): void {
    if (inTransaction) this.#failed = undefined
    else if (this.#failed === undefined) this.#ended = true
    // The server rolls back after some errors; a statement that may end the transaction can have committed it before.
    else if (this.#failed !== 'none') {
      if (isRollingBack(this.#session.failure)) this.#unknown = true
      else this.#ended = true
    }
  }

  answered(command: Command, failed: boolean): void {
    const { effect = 'none', ours, sql = '' } = this.#sent.get(command) ?? {}
    this.#running = 'none'
    if (ours !== undefined) this.#answeredOurs(sql, ours, failed)
    else if (failed) this.#failed = effect
    else if (effect === 'ends') this.#ended = true
  }

  /** If a savepoint of ours is there, the transaction is the one in which it was set. */
  #answeredOurs(sql: string, ours: number, failed: boolean): void {
    if (sql.startsWith('SAVEPOINT')) this.#depth = ours
    else {
      if (sql.startsWith('RELEASE')) this.#depth = ours - 1
      if (failed) return
      if (Number(this.#namedAt) >= ours) this.#namedAt = undefined
      if (Number(this.#uncheckedAt) >= ours) this.#uncheckedAt = undefined
    }
  }

  async #ask(): Promise<void> {
    do await this.#lease.resource.query(ASK)
    while (this.#session.busy)
    if (this.#uncheckedAt !== undefined && this.#session.inTransaction) {
      // After an abort, savepoints of ours may still be open, and everything is rolled back anyway.
      const check = this.#canary ? CHECK_CANARY : 'RELEASE SAVEPOINT forksafe_1'
      try {
        await this.#lease.resource.query(check)
        this.#checked()
      } catch (error) {
        this.#checkFailed(error)
      }
    }
    this.#settled = true
  }

  #checked(): void {
    this.#canary = false
    this.#uncheckedAt = undefined
  }

  /** @throws any other error than that there is no canary. */
  #checkFailed(error: unknown): void {
    if (errnoOf(error) !== NO_SUCH_SAVEPOINT) throw error
    this.#ended = true
  }

  /** All commands pass here. */
  #intercept(): () => void {
    const core = this.#core
    const { addCommand, changeUser, reset } = core
    const prepared = (command: Command): Command => {
      this.#prepare(command)
      return addCommand.call(core, command)
    }
    const rollingBack =
      (method: (...args: unknown[]) => unknown) =>
      (...args: unknown[]): unknown => {
        this.#ended = true
        return method.apply(core, args)
      }
    core.addCommand = prepared
    // Both roll back.
    core.changeUser = rollingBack(changeUser)
    core.reset = rollingBack(reset)
    return () => {
      core.changeUser = changeUser
      core.reset = reset
      // It is another one if the connection was closed in the meantime.
      if (core.addCommand === prepared) core.addCommand = addCommand
    }
  }

  /** Defers the start of a statement until the transaction is known to be open. */
  #prepare(command: Command): void {
    const sql = textOfStatement(command, this.#core)
    if (sql === undefined || sql === ASK || sql === CHECK_CANARY) return
    const [, number] = OF_OURS.exec(sql) ?? []
    const ours = number === undefined ? undefined : Number(number)
    if (ours !== undefined) this.#expectOurs(command)
    const { execute } = command
    let failed: Refusal | undefined
    command.execute = (packet, core) => {
      // It waits for a PREPARE that has failed, and the caller has that error.
      if ('statement' in command && command.statement === undefined) return true
      const refusal = failed ?? this.#refusalOf(ours)
      if (refusal !== undefined) {
        refuse(command, refusal.reason as Error)
        return true
      }
      const effect = this.#effectOf(command, sql, ours)
      const first = this.#before(effect, sql, (reason) => (failed = { reason }))
      if (first !== undefined) {
        return startBefore(this.#core, command, first)
      }
      this.#starts(command, { sql, effect, ours })
      command.execute = execute
      return execute.call(command, packet, core)
    }
  }

  #effectOf(command: Command, sql: string, ours: number | undefined): TransactionEffect {
    // It is not run yet.
    const isPrepare = command.query !== undefined
    return ours !== undefined || isPrepare
      ? 'none'
      : transactionEffectOf(sql, this.#session.autocommits)
  }

  #refusalOf(ours: number | undefined): Refusal | undefined {
    if (this.#refusal !== undefined && ours === undefined) return this.#refusal
    try {
      // In a forked child, and once the lease has ended, nothing is sent.
      void this.#lease.resource
    } catch (reason) {
      return { reason }
    }
    const session = this.#session
    if (session.unusable !== undefined) return { reason: overError(session, this.#pool) }
    if (this.#ended) return { reason: new TransactionEndedError(this.#pool, CODE_PREFIX) }
    if (this.#unknown) {
      return { reason: new CommitUnknownError(this.#pool, CODE_PREFIX, { cause: this.cause }) }
    }
    return session.inTransaction ? undefined : { reason: overError(session, this.#pool) }
  }

  /** What has to be sent before a statement, if anything. */
  #before(
    effect: TransactionEffect,
    sql: string,
    fail: (error: unknown) => void,
  ): Command | undefined {
    if (this.#session.inDoubt) return this.#statement(ASK, () => undefined, fail)
    // It removes younger savepoints of the user's, which may still be needed.
    const mayCheck = this.#namedAt === undefined || effect === 'ends'
    if (this.#canary && this.#uncheckedAt !== undefined && mayCheck) {
      return this.#statement(
        CHECK_CANARY,
        () => this.#checked(),
        (error) => {
          try {
            this.#checkFailed(error)
          } catch {
            fail(error)
          }
        },
      )
    }
    if (this.#canary || !this.#needsCanary(effect, sql)) return undefined
    return this.#statement(SET_CANARY, () => (this.#canary = true), fail)
  }

  #needsCanary(effect: TransactionEffect, sql: string): boolean {
    if (effect !== 'names' && effect !== 'may end') return false
    const names = effect === 'names' || mayName(sql)
    const namedAt = this.#namedAt ?? (names ? this.#depth : undefined)
    // In a savepoint of ours, that is the older one.
    return (namedAt ?? 0) === 0
  }

  #statement(sql: string, done: () => void, fail: (error: unknown) => void): Command {
    const command = createQuery(sql, this.#core)
    command.on('result', done)
    command.on('error', fail)
    return command
  }

  #starts(command: Command, sent: Sent): void {
    this.#sent.set(command, sent)
    const { effect, sql } = sent
    const ends = effect === 'ends' || effect === 'may end'
    this.#running = ends ? effect : 'none'
    if (effect === 'may end') this.#uncheckedAt = least(this.#uncheckedAt, this.#depth)
    if (effect === 'names' || (effect === 'may end' && mayName(sql))) {
      this.#namedAt = least(this.#namedAt, this.#depth)
    }
  }

  /** A savepoint of ours is gone with the transaction, or because the user rolled back to an older one. */
  #expectOurs(command: Command): void {
    const { onResult } = command
    command.onResult = (error, ...result) => {
      if (errnoOf(error) === NO_SUCH_SAVEPOINT && !this.#settled) {
        if (this.#canary) this.#uncheckedAt = 0
        else this.#ended = true
      }
      onResult?.call(command, error, ...result)
    }
  }
}

interface Refusal {
  readonly reason: unknown
}

/** The error to report after the server ended the transaction, or if nothing more can be sent in it. */
export function overError(session: Session, pool: string): Error {
  const { unusable, failing, failure } = session
  if (unusable !== undefined)
    return new RolledBackError(pool, CODE_PREFIX, unusable, failing && { cause: failing })
  if (failure === undefined) return new TransactionEndedError(pool, CODE_PREFIX)
  const why = `by the server, when one of its statements failed (${failure.message})`
  return new RolledBackError(pool, CODE_PREFIX, why, { cause: failure })
}

/** Whether a transaction that failed with this error may succeed if it is run again. */
export function isRollingBack(error: unknown): boolean {
  return ROLLING_BACK.has(errnoOf(error))
}

function errnoOf(error: unknown): unknown {
  return (error as { readonly errno?: unknown } | null | undefined)?.errno
}

function least(one: number | undefined, other: number): number {
  return one === undefined ? other : Math.min(one, other)
}
