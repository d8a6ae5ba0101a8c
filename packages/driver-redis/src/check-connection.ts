import { kindOf, refusePoolOptions } from '@forksafe/core/methods'

/** Options of other pools that mean nothing to ioredis. */
const OF_OTHER_POOLS = ['connectionLimit', 'poolSize', 'maxPoolSize']

/** @throws {TypeError} if `connection` contains an option of the pool, which would have no effect there. */
export function checkConnection(connection: unknown): void {
  // ioredis has a `name` of its own: that of the master that sentinels know.
  refusePoolOptions(connection, { client: ['name'], pools: OF_OTHER_POOLS })
}

/**
 * @param expected completes "Expected `connection` to be …"
 * @throws {TypeError} if `connection` is not an object: ioredis would fail later, or connect to a local server.
 */
export function expectObject(connection: unknown, expected: string): void {
  if (typeof connection === 'object' && connection !== null && !Array.isArray(connection)) return
  throw new TypeError(`Expected \`connection\` to be ${expected}, got ${kindOf(connection)}.`)
}

/** @throws {TypeError} if the option is not an array with at least one element. */
export function expectAddresses(option: string, value: unknown): void {
  if (Array.isArray(value) && value.length > 0) return
  throw wrong(option, 'an array of at least one address', value)
}

/** @throws {TypeError} if the option is not a string, or empty. */
export function expectName(option: string, value: unknown): void {
  if (typeof value === 'string' && value !== '') return
  throw wrong(option, 'the name of a master, a non-empty string', value)
}

function wrong(option: string, expected: string, value: unknown): TypeError {
  const got = Array.isArray(value) && value.length === 0 ? 'an empty array' : kindOf(value)
  return new TypeError(`Expected \`${option}\` to be ${expected}, got ${got}.`)
}
