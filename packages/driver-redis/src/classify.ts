import type { CreateFailure } from '@forksafe/core'
import { isCertificateError } from '@forksafe/core/methods'
import { isReply, withoutSentinelPrefix } from './internals.ts'

/**
 * The kind of a failed connect by the beginning of the error message. Everything else is transient, such as `LOADING`,
 * `READONLY` and `MASTERDOWN`.
 */
const kinds: readonly (readonly [RegExp, CreateFailure])[] = [
  [/^WRONGPASS\b/, 'fatal'],
  [/^NOAUTH\b/, 'fatal'],
  [/^NOPERM\b/, 'fatal'], // The user's ACL does not allow PING.
  [/^DENIED\b/, 'fatal'], // Protected mode: no remote clients while there is no password.
  [/^ERR invalid password/, 'fatal'], // WRONGPASS before Redis 6
  [/^ERR (DB index is out of range|invalid DB index)/, 'fatal'],
  [/^ERR No such master with that name/, 'fatal'], // From a sentinel.
  [/^ERR This instance has cluster support disabled/, 'fatal'],
  [/^Port should be >= 0 and < 65536/, 'fatal'], // From Node.
  [/^ERR max number of clients/, 'full'],
]

/** Classifies the error of a failed connect. */
export function classify(error: unknown): CreateFailure {
  if (error instanceof TypeError) return 'fatal' // A connection option that the driver does not accept.
  if (isCertificateError(error)) return 'fatal'
  const { message } = (error ?? {}) as { readonly message?: unknown }
  const text = typeof message === 'string' ? withoutSentinelPrefix(message) : ''
  return kinds.find(([beginning]) => beginning.test(text))?.[1] ?? 'transient'
}

/** Returns the error that says most: preferably a reply of the server, not that the connection was closed afterwards. */
export function reasonOf(errors: readonly Error[], refusal: Error | undefined): Error | undefined {
  const reply = errors.find(isReply)
  if (reply !== undefined) return reply
  return refusal !== undefined && classify(refusal) !== 'transient' ? refusal : errors[0]
}
