import { type ForkSafePool, StaleResourceError } from '@forksafe/core'
import { inChild } from '../fork.ts'
import type { Opening, Rig } from './rig.ts'
import { expect, outcomeOf, show } from './rig.ts'
import type { Need } from './check.ts'
import { openHandles } from './handles.ts'

/** How a child detects the fork: by `afterFork()`, or at its next use. */
export type Notice = 'hooked' | 'unhooked'

/** The state of a pool when the process is forked. */
export interface Moment {
  readonly pool: ForkSafePool<object>
  /** Sends requests in the tick of the fork. What the child sends can then not be told from what its parent sends. */
  readonly sends?: () => void
  /** Runs first in the child, synchronously, with the inherited state. */
  readonly use?: () => void
  /** Runs in the child with its own resource, if it got one. */
  readonly look?: (own: object | undefined) => unknown
  /** How long the child waits for a resource that it cannot get, in milliseconds. */
  readonly timeoutMillis?: number
  /** Runs in the parent once the child has ended, with the parent's state. */
  readonly goOn: () => Promise<void>
}

/** A state, and how it is reached. */
export interface State {
  readonly name: string
  readonly needs: readonly Need[]
  readonly prepare: (rig: Rig, opening: Opening) => Promise<Moment>
}

/**
 * Forks while the pool is in a state, and checks both processes. The child discards everything that it inherited, at once or at
 * its first use, sends nothing on the parent's connections, and opens a resource of its own. The parent continues.
 */
export async function proveFork(
  rig: Rig,
  opening: Opening,
  notice: Notice,
  moment: Moment,
): Promise<void> {
  const names = rig.held()
  if (!rig.hasServer) {
    await continueInChild(rig, notice, moment, names)
    return moment.goOn()
  }
  expect(names.length > 0, 'Expected the pool to hold a connection when the process is forked')
  await rig.quiet()
  const mark = await rig.proxy.mark()
  await continueInChild(rig, notice, moment, names, mark)
  const opened = await rig.opened(mark)
  expect(
    opened > 0 && opened <= opening.connections,
    `Expected the child to open one resource of its own (${opening.connections} connections), got ${opened} connections`,
  )
  const still = rig.held()
  expect(
    names.every((name) => still.includes(name)),
    'Expected the parent to keep its connections, but some are closed',
  )
  await moment.goOn()
  const more = (await rig.opened(mark)) - opened
  return expect(
    more === 0,
    `Expected the parent to continue with its connections, but it opened ${more} connections`,
  )
}

/** Forks, and checks that the child closes the handles of these names and sends nothing on the connections at a mark. */
async function continueInChild(
  rig: Rig,
  notice: Notice,
  { pool, sends, use, look, timeoutMillis }: Moment,
  names: readonly string[],
  mark?: number,
): Promise<void> {
  sends?.()
  const failures = await inChild(
    async () => {
      const failures: string[] = []
      const hookErrors: unknown[] = []
      pool.on('hookError', ({ hook, error }) => hookErrors.push(`${hook}: ${String(error)}`))
      const expectClosed = (when: string): void => {
        const held = openHandles().filter((name) => names.includes(name))
        if (held.length > 0)
          failures.push(
            `expected the child to close everything ${when}, but it holds ${held.join(', ')}`,
          )
      }
      if (notice === 'hooked') expectClosed('at once')
      use?.()
      const acquiring = pool.acquire(timeoutMillis === undefined ? {} : { timeoutMillis })
      expectClosed('at its first use')
      const lent = await outcomeOf(acquiring)
      if (lent.ok) {
        await rig.expectAnswer(lent.value.resource)
        await look?.(lent.value.resource)
        lent.value.release()
      } else {
        if (timeoutMillis === undefined) throw lent.error
        await look?.(undefined)
      }
      for (const error of hookErrors)
        failures.push(`expected no hook to fail in the child, got ${String(error)}`)
      return failures
    },
    { afterFork: notice === 'hooked', timeoutMillis: rig.options.timeoutMillis },
  )
  const sent = mark === undefined || sends !== undefined ? [] : await rig.sent(mark)
  expect(
    sent.length === 0,
    `Expected the child to send nothing on its parent's connections, got ${show(sent)}`,
  )
  expect(failures.length === 0, `In the child: ${failures.join('; ')}`)
}

/** Expects the child's copy of a waiting call to reject with a `StaleResourceError`. */
export async function expectStale(waiting: Promise<unknown>): Promise<void> {
  const outcome = await outcomeOf(waiting)
  expect(
    !outcome.ok && outcome.error instanceof StaleResourceError,
    `Expected the child's copy to reject with a StaleResourceError, got ${outcome.ok ? 'a resource' : String(outcome.error)}`,
  )
}
