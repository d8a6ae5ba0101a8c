import type { Driver } from '../api/driver.ts'
import { show } from '../tools/rules.ts'
import { onAbort } from '../tools/signals.ts'
import { type Operations, within } from './operations.ts'
import type { Config } from './options.ts'
import { Member } from './member.ts'
import type { Factory } from './surface.ts'

/** What the driver asks and tells its pool. */
export interface DriverHost<T> {
  readonly creates: Operations
  /** `validate` and `reset`. */
  readonly tests: Operations
  readonly destroys: Operations
  /** Looks for a change of process. */
  checkProcess(): void
  /** Whether somebody waits for the next resource that comes back. */
  isAwaited(): boolean
  /** Whether those who wait can be served by nothing but a create, and no others will come. */
  isLastHope(): boolean
  opened(member: Member<T>): void
  /** Its end begins, or it belongs to another process. */
  gone(member: Member<T>): void
}

/** A resource that came back did not stand its test; where `validate` itself failed, that is the cause. */
export class NotValidError extends Error {}

const required = ['create', 'destroy']
const optional = ['validate', 'discard', 'reset', 'watch', 'ref', 'unref', 'classify']

/** @throws {TypeError} for what is no factory, or lacks what the options ask for. */
export function checkFactory(factory: unknown, { name, testOnBorrow }: Config): void {
  if (factory === null || factory === undefined) {
    throw new TypeError(`Pool "${name}": expected a factory, got ${show(factory)}.`)
  }
  for (const hook of [...required, ...optional]) {
    const given = (factory as Record<string, unknown>)[hook]
    if (typeof given === 'function') continue
    const isNeeded = required.includes(hook) || (hook === 'validate' && testOnBorrow)
    if (given === undefined && !isNeeded) continue
    // The beginning is generic-pool's.
    throw new TypeError(`factory.${hook} must be a function, got ${show(given)} (pool "${name}")`)
  }
}

/** The factory as a driver, which calls `validate` when generic-pool's options say so. */
export function driverOf<T>(
  factory: Factory<T>,
  config: Config,
  host: DriverHost<T>,
): Driver<Member<T>> {
  const { testOnBorrow, testOnReturn, validateTimeoutMillis, destroyTimeoutMillis } = config
  const tests = factory.validate !== undefined

  const validate = async ({ obj }: Member<T>): Promise<boolean> =>
    (await within(validateTimeoutMillis, 'validate', () => factory.validate?.(obj))) !== false

  /** Lets `clear` wait for a test. In a forked child, the test is the parent's. */
  const track = <U>(member: Member<T>, test: Promise<U>): Promise<U> => {
    const givenUp = new Promise<void>((resolve) => (member.giveUpTest = resolve))
    host.tests.track(Promise.race([test, givenUp]))
    return test
  }

  const clear = async (member: Member<T>, isTested: boolean): Promise<void> => {
    await within(validateTimeoutMillis, 'reset', () => factory.reset?.(member.obj))
    host.checkProcess()
    if (member.isDiscarded || !isTested) return
    const isValid = await validate(member).catch((cause: unknown) => {
      throw new NotValidError('validate failed', { cause })
    })
    if (!isValid) throw new NotValidError('validate said no')
  }

  return {
    name: 'generic-pool',

    create(_, { signal }) {
      const open = async (): Promise<Member<T>> => {
        const isGivenSignal = factory.discard !== undefined
        const obj = await (isGivenSignal ? factory.create({ signal }) : factory.create())
        const member = new Member(obj)
        host.opened(member)
        return member
      }
      const opening = open()
      const givenUp = new Promise<void>((resolve) => void onAbort(signal, resolve))
      host.creates.track(Promise.race([opening, givenUp]))
      return opening
    },

    async destroy(member) {
      host.gone(member)
      const ending = within(destroyTimeoutMillis, 'destroy', () => factory.destroy(member.obj))
      host.destroys.track(ending)
      await ending
    },

    discard(member) {
      member.isDiscarded = true
      member.giveUpTest?.()
      host.gone(member)
      factory.discard?.(member.obj)
    },

    classify: (error) => (host.isLastHope() ? 'fatal' : (factory.classify?.(error) ?? 'transient')),

    ...(testOnBorrow && { validate: (member: Member<T>) => track(member, validate(member)) }),
    ...((tests && (testOnBorrow || testOnReturn)) || factory.reset
      ? {
          reset(member: Member<T>) {
            const isTested = tests && (testOnReturn || (testOnBorrow && host.isAwaited()))
            return isTested || factory.reset ? track(member, clear(member, isTested)) : undefined
          },
        }
      : {}),
    ...(factory.watch && {
      watch: ({ obj }: Member<T>, lost: (error: Error) => void) => factory.watch?.(obj, lost),
    }),
    ...(factory.ref && { ref: ({ obj }: Member<T>) => factory.ref?.(obj) }),
    ...(factory.unref && { unref: ({ obj }: Member<T>) => factory.unref?.(obj) }),
  }
}
