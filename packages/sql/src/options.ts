import {
  anAbortSignal,
  checkOptions,
  kindOf,
  oneOf,
  type Rules,
  trueOrFalse,
  wholeFrom,
} from '@forksafe/core/methods'

/** How a transaction begins, how often it is tried, and until when. */
export interface TransactionOptions {
  /** How isolated it is from concurrent transactions. Default: the server's setting. */
  readonly isolation?:
    'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable' | undefined
  /** Whether it may only read. Default: the server's setting. */
  readonly readOnly?: boolean | undefined
  /**
   * How often it is tried again, from its begin, after an error that a retry may cure, such as a deadlock. `work` is called again
   * then, after a random pause of up to 10 ms, doubled each time up to 1,000 ms. A whole number of at least 0. Default 0.
   */
  readonly retries?: number | undefined
  /**
   * When it aborts, `transaction` rejects at once with its `reason`, unless COMMIT is already on its way. The running statement is
   * cancelled on the server, further statements of `work` are not sent and reject with the `reason`, and the transaction is rolled
   * back when `work` settles. If a running statement may have ended the transaction, the server is asked first. Default: none.
   */
  readonly signal?: AbortSignal | undefined
}

const rules: Record<keyof TransactionOptions, Rules[string]> = {
  isolation: oneOf(['read uncommitted', 'read committed', 'repeatable read', 'serializable']),
  readOnly: trueOrFalse,
  retries: wholeFrom(0),
  signal: anAbortSignal,
}

/**
 * Checks the arguments of `pool.transaction`. `further`: the rules of the dialect's own options.
 * @throws {TypeError} for a wrong or unknown option, and for work that is no function.
 */
export function checkTransaction(
  pool: string,
  work: unknown,
  options: unknown,
  further?: Rules,
): void {
  const where = `Pool "${pool}", \`transaction\``
  if (typeof work !== 'function') {
    throw new TypeError(`${where}: expected a function, got ${kindOf(work)}.`)
  }
  checkOptions(where, { ...rules, ...further }, options)
}

/**
 * Lists the transaction modes of standard SQL that the options ask for: `ISOLATION LEVEL …`, and `READ ONLY` or `READ WRITE`. The
 * server decides about the others.
 */
export function modesOf({
  isolation,
  readOnly,
}: Pick<TransactionOptions, 'isolation' | 'readOnly'>): string[] {
  const modes: string[] = []
  if (isolation !== undefined) modes.push(`ISOLATION LEVEL ${isolation.toUpperCase()}`)
  if (readOnly !== undefined) modes.push(readOnly ? 'READ ONLY' : 'READ WRITE')
  return modes
}
