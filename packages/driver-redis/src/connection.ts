import { inspect } from 'node:util'

/**
 * @param expected what `connection` shall be
 * @throws {TypeError} for what holds no options: ioredis would fail over it, or take it for those of a server here.
 */
export function expectOptions(connection: unknown, expected: string): void {
  if (typeof connection === 'object' && connection !== null && !Array.isArray(connection)) return
  throw new TypeError(`Expected \`connection\` to be ${expected}, got ${show(connection)}.`)
}

/** Without what may hold a password. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' ? 'a string' : inspect(value)
}
