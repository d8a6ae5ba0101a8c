/** A URL, up to the next space or quote. Links to web pages without a user are no secret. */
const SECRET_URL = /\b(?!https?:\/\/[^\s'"`@]*(?:[\s'"`]|$))[a-z][a-z\d+.-]*:\/\/[^\s'"`]*/gi

/**
 * Removes from a client's error, and from its `cause` and `errors`, each URL that may contain a password, in the message, the stack and
 * all other texts: a client may show the value of an option. Returns the error. Never throws.
 */
export function hideSecrets<T>(error: T): T {
  hide(error, new Set())
  return error
}

function hide(error: unknown, seen: Set<unknown>): void {
  if (!(error instanceof Error) || seen.has(error)) return
  seen.add(error)
  // Node shows the text that is not a URL.
  if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL') {
    Reflect.deleteProperty(error, 'input')
    Reflect.deleteProperty(error, 'base')
  }
  for (const key of Reflect.ownKeys(error)) {
    const value: unknown = Reflect.get(error, key)
    if (typeof value === 'string') {
      const hidden = value.replaceAll(SECRET_URL, '[URL]')
      // Not assigned: that may call a setter. Since Node 22, `stack` has one, and clients assign to it.
      if (hidden !== value) Reflect.defineProperty(error, key, { value: hidden, writable: true })
    }
  }
  hide(error.cause, seen)
  const { errors } = error as { readonly errors?: unknown }
  if (Array.isArray(errors)) for (const inner of errors) hide(inner, seen)
}
