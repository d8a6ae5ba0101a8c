import { isOfServer, isReadOnly } from './internals.ts'
import { type Effect, effectOf, mayMove, takesRole } from './statements.ts'

const IN_TRANSACTION = 1 // SERVER_STATUS_IN_TRANS
const READ_ONLY = /\bread\s+only\b/i

/** What a session is like, as far as the statements that were sent and the server's answers tell. */
export class SessionState {
  /** What only a reset of the session takes away, is left. */
  left = false
  /** It may be in another database than it was opened in. */
  elsewhere = false
  /** It is another user's. */
  anotherUser = false
  /** Why it cannot be reset, if it cannot. */
  beyondReset: string | undefined
  inTransaction = false
  /** Whether it still is, the server has not said since. */
  inDoubt = false
  /** The server's last error since it said that the transaction was under way. */
  failure: Error | undefined
  /** What its next transaction will be like, has been said of one that has not begun. */
  announced = false
  /** A holder has asked for transactions that only read. */
  #readOnly = false

  get clean(): boolean {
    return !this.left && !this.announced && !this.inTransaction && this.beyondReset === undefined
  }

  /** Everything that was left has been taken away. */
  restored(): void {
    this.left = false
    this.elsewhere = false
    this.inTransaction = false
    this.announced = false
    this.#readOnly = false
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
      if (takesRole(sql)) this.beyondReset = 'in another role'
    }
    return effect
  }

  protected answered(effect: Effect, result: unknown): void {
    const { serverStatus } = (result ?? {}) as { readonly serverStatus?: unknown }
    if (typeof serverStatus !== 'number') {
      // Rows. Behind them there may be more than a question: a procedure, or a second statement.
      if (effect === 'leaves') this.inDoubt = this.inTransaction
      return
    }
    this.inTransaction = (serverStatus & IN_TRANSACTION) !== 0
    this.inDoubt = false
    if (this.inTransaction) this.failure = undefined
    if (effect === 'begins') this.announced = false
    if (effect === 'ends') this.#readOnly = false
  }

  /** The server may have rolled back the statement, or all of the transaction: after a deadlock, say. */
  protected failed(error: unknown): void {
    if (!isOfServer(error)) return
    if (isReadOnly(error, this.#readOnly)) this.beyondReset = 'on a server that only reads'
    if (!this.inTransaction) return
    this.inDoubt = true
    this.failure = error
  }
}
