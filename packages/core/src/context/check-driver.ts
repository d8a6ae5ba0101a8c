import {
  aFunction,
  checkValue,
  expected,
  isPlainObject,
  kindOf,
  limit,
  nameOf,
} from '../tools/rules.ts'

const requiredHooks = ['create', 'destroy', 'discard']
const optionalHooks =
  'validate isUsable reset watch ref unref classify methods checkConnection checkBudget'.split(' ')
const requiredShareHooks = ['begin', 'end']
const optionalShareHooks = ['accepts', 'full', 'flush']

/** @throws {TypeError} for anything but a driver. */
export function checkDriver(driver: unknown): void {
  const given = Object(driver) as Record<string, unknown>
  const { name } = given
  const mistake = mistakeFor(driver)
  if (mistake !== undefined)
    throw new TypeError(`Expected a driver, which has a \`name\`, ${mistake}`)
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(
      `Expected a driver with a \`name\` of at least one character, got ${kindOf(driver)} whose name is ${kindOf(name)}.`,
    )
  }
  checkHooks(`Driver "${name}"`, given, requiredHooks, optionalHooks)
  checkShareHooks(name, given['share'])
}

function checkHooks(
  where: string,
  given: object,
  required: readonly string[],
  optional: readonly string[],
): void {
  for (const hook of [...required, ...optional]) {
    const value = (given as Record<string, unknown>)[hook]
    if (value === undefined && optional.includes(hook)) continue
    checkValue(where, `\`${hook}\``, aFunction, value)
  }
}

/** @throws {TypeError} for a `share` that is wrong or incomplete. */
function checkShareHooks(driver: string, share: unknown): void {
  if (share === undefined) return
  if (typeof share !== 'object' || share === null) {
    throw expected(`Driver "${driver}"`, '`share` to be an object', share)
  }
  const where = `Driver "${driver}", \`share\``
  checkHooks(where, share, requiredShareHooks, optionalShareHooks)
  const { maxInFlight = 1 } = share as { readonly maxInFlight?: unknown }
  checkValue(where, '`maxInFlight`', limit(1), maxInFlight)
}

/** Returns the end of the message for a value that is often passed by mistake: what it is, and what to pass instead. */
function mistakeFor(given: unknown): string | undefined {
  if (!isObject(given) || requiredHooks.some((hook) => hook in given)) return undefined
  if (typeof given === 'function') {
    const call = /^\w+With$/.test(given.name) ? `\`${given.name}({ … })\`` : 'it'
    return `got a function: if it returns a driver, call ${call}.`
  }
  const exported = Object.keys(given).find((key) => looksLikeDriver(valueOf(given, key)))
  if (exported !== undefined) return `got a module: pass its ${nameOf(exported)}.`
  return looksLikeModule(given) ? 'got a module: pass the driver that it exports.' : undefined
}

function looksLikeDriver(value: unknown): boolean {
  return isObject(value) && requiredHooks.every((hook) => hook in value)
}

/** Returns the value of a property. Calls a getter only of a compiled module: any other may do anything. */
function valueOf(object: object, key: string): unknown {
  const property = Object.getOwnPropertyDescriptor(object, key)
  if (property?.get === undefined) return property?.value
  const isModule = '__esModule' in object || looksLikeModule(object)
  return isModule ? (object as Record<string, unknown>)[key] : undefined
}

function looksLikeModule(value: object): boolean {
  return Object.prototype.toString.call(value) === '[object Module]'
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/**
 * Puts on the pool what the driver's `methods` returned.
 * @throws {TypeError} for anything but a plain object, because inherited methods would be missing; and for a method that the pool
 * already has, or must not have.
 */
export function addMethods(pool: object, name: string, driver: string, methods: unknown): void {
  if (methods === undefined) return
  if (!isPlainObject(methods)) {
    throw expected(`Driver "${driver}"`, '`methods` to return a plain object', methods)
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
