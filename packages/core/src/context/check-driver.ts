import { isPlainObject, show } from '../tools/rules.ts'

const requiredHooks = ['create', 'destroy', 'discard']
const optionalHooks = [
  'validate',
  'isUsable',
  'reset',
  'watch',
  'ref',
  'unref',
  'classify',
  'methods',
]

/** @throws {TypeError} for what is no driver. */
export function checkDriver(driver: unknown): void {
  const given = Object(driver) as Record<string, unknown>
  const { name } = given
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(
      `Expected a driver with a \`name\` of at least one character, got ${show(driver)} with the name ${show(name)}.`,
    )
  }
  for (const hook of [...requiredHooks, ...optionalHooks]) {
    const value = given[hook]
    if (typeof value === 'function') continue
    if (value === undefined && optionalHooks.includes(hook)) continue
    throw new TypeError(
      `Driver "${name}": expected \`${hook}\` to be a function, got ${show(value)}.`,
    )
  }
}

/**
 * Puts on the pool what the driver's `methods` returned.
 * @throws {TypeError} for what is no plain object, as what it inherits would be missing; and for a method that the pool has,
 * or must not have.
 */
export function addMethods(pool: object, name: string, driver: string, methods: unknown): void {
  if (methods === undefined) return
  if (!isPlainObject(methods)) {
    throw new TypeError(
      `Driver "${driver}": expected \`methods\` to return a plain object, got ${show(methods)}.`,
    )
  }
  for (const method of Reflect.ownKeys(methods)) {
    // With a `then`, `await` would take the pool for a promise.
    if (!(method in pool) && method !== 'then') continue
    throw new TypeError(
      `Pool "${name}": the driver cannot add the method \`${String(method)}\`: that name is taken.`,
    )
  }
  Object.defineProperties(pool, Object.getOwnPropertyDescriptors(methods))
}
