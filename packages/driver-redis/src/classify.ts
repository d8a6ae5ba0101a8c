import type { CreateFailure } from '@forksafe/core'
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

/** Codes of Node for a certificate that it rejects: the server's, or one between it and its authority. */
const rejectedCertificate =
  /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_CERT_|DEPTH_ZERO_SELF_SIGNED_|UNABLE_TO_(GET_ISSUER|VERIFY)_)/

/** Classifies the error of a failed connect. */
export function classify(error: unknown): CreateFailure {
  if (error instanceof TypeError) return 'fatal' // A connection option that the driver does not accept.
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  if (typeof code === 'string' && rejectedCertificate.test(code)) return 'fatal'
  const text = typeof message === 'string' ? withoutSentinelPrefix(message) : ''
  return kinds.find(([beginning]) => beginning.test(text))?.[1] ?? 'transient'
}

/** Returns the error that says most: preferably a reply of the server, not that the connection was closed afterwards. */
export function reasonOf(errors: readonly Error[], refusal: Error | undefined): Error | undefined {
  const reply = errors.find(isReply)
  if (reply !== undefined) return reply
  return refusal !== undefined && classify(refusal) !== 'transient' ? refusal : errors[0]
}
