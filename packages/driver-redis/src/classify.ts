import type { CreateFailure } from '@forksafe/core'

/** By the first words of the server's error, or of Node's. What is not here passes by itself: `LOADING`, `READONLY`, `MASTERDOWN`. */
const refusals: readonly (readonly [RegExp, CreateFailure])[] = [
  [/^WRONGPASS\b/, 'fatal'],
  [/^NOAUTH\b/, 'fatal'],
  [/^NOPERM\b/, 'fatal'], // of an ACL: not even PING
  [/^DENIED\b/, 'fatal'], // protected mode: nobody from outside, while there is no password
  [/^ERR invalid password/, 'fatal'], // WRONGPASS before Redis 6
  [/^ERR (DB index is out of range|invalid DB index)/, 'fatal'],
  [/^ERR No such master with that name/, 'fatal'], // of a sentinel
  [/^ERR This instance has cluster support disabled/, 'fatal'],
  [/^Port should be >= 0 and < 65536/, 'fatal'], // Node
  [/^ERR max number of clients/, 'full'],
]

/** What Node says of a certificate that it will not have, the server's or one on the way to its authority. */
const refusedCertificate =
  /^(CERT_|ERR_TLS_CERT_|SELF_SIGNED_CERT_|DEPTH_ZERO_SELF_SIGNED_|UNABLE_TO_(GET_ISSUER|VERIFY)_)/

/** What ioredis says before the words of the last sentinel. */
const sentinels = /^All sentinels are unreachable and retry is disabled\. Last error: /

/** What a failed connect means for those who wait. */
export function classify(error: unknown): CreateFailure {
  if (error instanceof TypeError) return 'fatal' // A connection option that the driver does not take.
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  if (typeof code === 'string' && refusedCertificate.test(code)) return 'fatal'
  const words = typeof message === 'string' ? message.replace(sentinels, '') : ''
  return refusals.find(([beginning]) => beginning.test(words))?.[1] ?? 'transient'
}

/** Of all that went wrong the server's own word, if there is one, rather than that the connection was closed after it. */
export function reasonOf(errors: readonly Error[], refusal: Error | undefined): Error | undefined {
  const answer = errors.find(({ name }) => name === 'ReplyError')
  if (answer !== undefined) return answer
  return refusal !== undefined && classify(refusal) !== 'transient' ? refusal : errors[0]
}
