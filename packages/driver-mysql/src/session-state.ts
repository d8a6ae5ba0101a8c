import { isOfServer, isReadOnly } from './internals.ts'
import {
  type Effect,
  effectOf,
  mayLockTables,
  mayMove,
  maySwitchAutocommit,
  takesRole,
} from './statements.ts'

const IN_TRANSACTION = 1 // SERVER_STATUS_IN_TRANS
const AUTOCOMMIT = 2 // SERVER_STATUS_AUTOCOMMIT
const READ_ONLY = /\bread\s+only\b/i

/** What a session is like, as far as the statements that were sent and the server's answers tell. */
export class SessionState {
  /** What only a reset of the session takes away, is left. */
  left = false
  /** It may hold locks of tables. */
  locksTables = false
  /** It may be in another database than it was opened in. */
  elsewhere = false
  /** It is another user's. */
  anotherUser = false
  /** Why it cannot be reset, if it cannot. */
  beyondReset: string | undefined
  inTransaction = false
  /** There may be a transaction or not: the server has not said since a statement failed. */
  inDoubt = false
  /** Whether each statement is a transaction of its own, unless one was begun: now, and as the session was opened. */
  autocommits: boolean
  ownAutocommit: boolean
  /** The server's last error since it said that the transaction was under way. */
  failure: Error | undefined
  /** What its next transaction will be like, has been said of one that has not begun. */
  announced = false
  /** A holder has asked for transactions that only read. */
  #readOnly = false
  /** A holder may have switched `autocommit`. */
  #maySwitch = false

  constructor(flags: number) {
    this.autocommits = (flags & AUTOCOMMIT) !== 0
    this.ownAutocommit = this.autocommits
  }

  get clean(): boolean {
    return (
      !this.left &&
      !this.announced &&
      !this.mayBeInTransaction &&
      this.autocommits === this.ownAutocommit &&
      this.beyondReset === undefined
    )
  }

  get mayBeInTransaction(): boolean {
    return this.inTransaction || this.inDoubt
  }

  /** Everything that was left has been taken away. */
  restored(): void {
    this.left = false
    this.elsewhere = false
    this.locksTables = false
    this.inTransaction = false
    this.inDoubt = false
    this.announced = false
    this.#readOnly = false
    this.#maySwitch = false
    // A reset takes `init_connect` away, too.
    this.keepAutocommit()
  }

  /** As it is now, the session is as it was opened. */
  keepAutocommit(): void {
    this.ownAutocommit = this.autocommits
  }

  /** What a statement begins counts from when it is sent; what it ends, from when the server says so. */
  protected sends(sql: string): Effect {
    const effect = effectOf(sql)
    if (effect === 'begins' && !this.announced) this.#readOnly = false
    if (effect !== 'none') this.#readOnly ||= READ_ONLY.test(sql)
    if (effect === 'announces') this.announced = true
    else if (effect === 'begins') {
      this.inTransaction = true
      this.failure = undefined
    } else if (effect === 'leaves') {
      this.left = true
      this.elsewhere ||= mayMove(sql)
      this.locksTables ||= mayLockTables(sql)
      this.#maySwitch ||= maySwitchAutocommit(sql)
      if (takesRole(sql)) this.beyondReset = 'in another role'
    }
    return effect
  }

  /** What the server says with each result: with rows, too. */
  status(flags: number): void {
    this.inTransaction = (flags & IN_TRANSACTION) !== 0
    this.inDoubt = false
    if (this.inTransaction) this.failure = undefined
    this.autocommits = (flags & AUTOCOMMIT) !== 0
    // The server may have switched it off when the session was opened, by `init_connect`.
    if (!this.#maySwitch) this.ownAutocommit = this.autocommits
  }

  protected succeeded(effect: Effect): void {
    if (effect === 'begins') this.announced = false
    if (effect === 'ends') this.#readOnly = false
  }

  /**
   * The server may have rolled back the statement, or all of the transaction: after a deadlock, say. Or the statement may have
   * begun one before it failed. The status does not come with an error.
   */
  protected failed(effect: Effect): void {
    this.inDoubt ||= this.inTransaction || !this.autocommits || effect === 'leaves'
  }

  /** The error of the server that the caller is given. */
  protected failedWith(error: unknown): void {
    if (!isOfServer(error)) return
    if (isReadOnly(error, this.#readOnly)) this.beyondReset = 'on a server that only reads'
    if (this.inTransaction) this.failure = error
  }
}
