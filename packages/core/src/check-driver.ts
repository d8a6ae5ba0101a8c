import { show } from './rules.ts'

const requiredHooks = ['create', 'destroy', 'discard']
const optionalHooks = ['validate', 'reset', 'watch', 'ref', 'unref', 'classify', 'methods']

/** @throws {TypeError} for what is no driver. */
export function checkDriver(driver: unknown): void {
  if (typeof driver !== 'object' || driver === null) {
    throw new TypeError(`Expected a driver with a \`name\`, got ${show(driver)}.`)
  }
  const given = driver as Record<string, unknown>
  const { name } = given
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(
      `Expected the \`name\` of a driver to be a string of at least one character, got ${show(name)}.`,
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
 * @throws {TypeError} for what is no object, and for a method that the pool has, or must not have.
 */
export function addMethods(pool: object, name: string, driver: string, given: unknown): void {
  if (given === undefined) return
  if (
    typeof given !== 'object' ||
    given === null ||
    Array.isArray(given) ||
    given instanceof Promise
  ) {
    throw new TypeError(
      `Driver "${driver}": expected \`methods\` to return an object, got ${show(given)}.`,
    )
  }
  const methods = { ...inherited(given), ...Object.getOwnPropertyDescriptors({ ...given }) }
  for (const method of Reflect.ownKeys(methods)) {
    if (method in pool) {
      throw new TypeError(
        `Pool "${name}": the driver's method \`${String(method)}\` would hide the pool's own.`,
      )
    }
    if (method === 'then') {
      throw new TypeError(
        `Pool "${name}": with the driver's method \`then\`, \`await\` would take the pool for a promise.`,
      )
    }
  }
  Object.defineProperties(pool, methods)
}

/** The methods and accessors of an instance's class, and of those that it extends. `this` is the instance in them. */
function inherited(instance: object): PropertyDescriptorMap {
  const verbs = Object.create(null) as PropertyDescriptorMap
  const attributes = { configurable: true, enumerable: true }
  let prototype = Object.getPrototypeOf(instance) as object | null
  // Up to Object.prototype, of any realm.
  while (prototype !== null && !Object.hasOwn(prototype, 'isPrototypeOf')) {
    const described = Object.entries(Object.getOwnPropertyDescriptors(prototype))
    for (const [key, { value }] of described as [keyof typeof instance, PropertyDescriptor][]) {
      if (key === 'constructor' || key in verbs) continue
      verbs[key] =
        typeof value === 'function'
          ? { ...attributes, writable: true, value: value.bind(instance) as unknown }
          : { ...attributes, get: (): unknown => instance[key] }
    }
    prototype = Object.getPrototypeOf(prototype) as object | null
  }
  return verbs
}
