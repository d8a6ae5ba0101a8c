import type { Driver } from '../api/driver.ts'
import { kindOf } from '../tools/rules.ts'
import { onAbort } from '../tools/signals.ts'
import { type Operations, within } from './operations.ts'
import type { Config } from './options.ts'
import { Member } from './member.ts'
import type { Factory } from './surface.ts'

/** The drop-in pool, as its driver sees it. */
export interface DriverHost<T> {
  readonly creates: Operations
  /** Calls of `validate` and `reset`. */
  readonly tests: Operations
  readonly destroys: Operations
  /** Checks whether the process has changed. */
  checkProcess(): void
  /** Tells whether a caller waits for the next released resource. */
  isAwaited(): boolean
  /** Tells whether only a create can serve the waiting callers, and no further callers are accepted. */
  isLastHope(): boolean
  opened(member: Member<T>): void
  /** Called when the resource starts to end, or belongs to another process. */
  gone(member: Member<T>): void
}

/** A released resource failed its validation. If `validate` rejected, its error is the cause. */
export class NotValidError extends Error {}

const required = ['create', 'destroy']
const optional = ['validate', 'discard', 'reset', 'watch', 'ref', 'unref', 'classify']

/** @throws {TypeError} if `factory` is not a factory, or lacks a hook that the options require. */
export function checkFactory(factory: unknown, { name, testOnBorrow }: Config): void {
  if (factory === null || factory === undefined) {
    throw new TypeError(`Pool "${name}": expected a factory, got ${kindOf(factory)}.`)
  }
  for (const hook of [...required, ...optional]) {
    const given = (factory as Record<string, unknown>)[hook]
    if (typeof given === 'function') continue
    const isNeeded = required.includes(hook) || (hook === 'validate' && testOnBorrow)
    if (given === undefined && !isNeeded) continue
    // generic-pool's message begins with the same words.
    throw new TypeError(`factory.${hook} must be a function, got ${kindOf(given)} (pool "${name}")`)
  }
}

/** Turns a factory into a driver, which calls `validate` as generic-pool's options require. */
export function driverOf<T>(
  factory: Factory<T>,
  config: Config,
  host: DriverHost<T>,
): Driver<Member<T>> {
  const { testOnBorrow, testOnReturn, validateTimeoutMillis, destroyTimeoutMillis } = config
  const tests = factory.validate !== undefined

  const validate = async ({ obj }: Member<T>): Promise<boolean> =>
    (await within(validateTimeoutMillis, 'validate', () => factory.validate?.(obj))) !== false

  /** Makes `clear` wait for a test. In a forked child, it does not wait: the test belongs to the parent. */
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
      watch: ({ obj }: Member<T>, lost: (error: Error) => void, retire: () => void) =>
        factory.watch?.(obj, lost, retire),
    }),
    ...(factory.ref && { ref: ({ obj }: Member<T>) => factory.ref?.(obj) }),
    ...(factory.unref && { unref: ({ obj }: Member<T>) => factory.unref?.(obj) }),
  }
}
