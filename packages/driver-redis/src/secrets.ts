import { hideSecrets } from '@forksafe/core/methods'

/** Commands whose arguments are passwords. */
const WITH_PASSWORD = new Set(['auth', 'hello'])

/** Removes URLs from the error of a failed connect, and the password that ioredis adds to the reply to its `AUTH`. */
export function withoutSecrets<T>(error: T): T {
  const { command } = Object(error) as { readonly command?: { name: string; args: unknown[] } }
  if (command !== undefined && WITH_PASSWORD.has(command.name.toLowerCase())) command.args = []
  return hideSecrets(error)
}

/** Calls ioredis with options, whose errors may show them. */
export function construct<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw withoutSecrets(error)
  }
}
