import { type ForkSafePool, StaleResourceError } from '@forksafe/core'
import { inChild } from '../fork.ts'
import type { Opening, Rig } from './rig.ts'
import { expect, outcomeOf, show } from './rig.ts'
import { openHandles } from './handles.ts'

/** How a child finds out: it calls `afterFork()`, or it calls nothing and looks at its next use. */
export type Notice = 'hooked' | 'unhooked'

/** What is going on in a pool when the process is forked. */
export interface Moment {
  readonly pool: ForkSafePool<object>
  /** What the child does first with what it has inherited, synchronously. */
  readonly use?: () => void
  /** What it finds of its own: given the resource it was lent, if it was lent one. */
  readonly look?: (own: object | undefined) => unknown
  /** How long it waits for a resource, in milliseconds, where it can have none. */
  readonly inVain?: number
  /** The parent, when the child has gone: with what it had, and nothing else. */
  readonly goOn: () => Promise<void>
}

/**
 * Forks in the middle of a moment, and proves it from both sides. The child lets go of all that it inherited, at once or
 * at its first use, and has a resource of its own; nothing came from it on the parent's connections, and the parent goes
 * on with what it was doing.
 */
export async function proveFork(
  rig: Rig,
  { connections }: Opening,
  notice: Notice,
  { pool, use, look, inVain, goOn }: Moment,
): Promise<void> {
  const { proxy, options } = rig
  const names = rig.held()
  expect(names.length > 0, 'Expected the pool to hold a connection when the process is forked')
  await rig.quiet()
  const mark = await proxy.mark()
  const failures = await inChild(
    async () => {
      const failures: string[] = []
      const hookErrors: unknown[] = []
      pool.on('hookError', ({ hook, error }) => hookErrors.push(`${hook}: ${String(error)}`))
      const expectLetGo = (when: string): void => {
        const held = openHandles().filter((name) => names.includes(name))
        if (held.length > 0)
          failures.push(`expected the child to let go ${when}, but it holds ${held.join(', ')}`)
      }
      if (notice === 'hooked') expectLetGo('at once')
      use?.()
      const acquiring = pool.acquire(inVain === undefined ? {} : { timeoutMillis: inVain })
      expectLetGo('at its first use')
      const lent = await outcomeOf(acquiring)
      if (lent.ok) {
        await rig.expectAnswer(lent.value.resource)
        await look?.(lent.value.resource)
        lent.value.release()
      } else {
        if (inVain === undefined) throw lent.error
        await look?.(undefined)
      }
      for (const error of hookErrors)
        failures.push(`expected no hook to fail in the child, got ${String(error)}`)
      return failures
    },
    { afterFork: notice === 'hooked', timeoutMillis: options.timeoutMillis },
  )
  const sent = await rig.sent(mark)
  expect(
    sent.length === 0,
    `Expected the child to send nothing on its parent's connections, got ${show(sent)}`,
  )
  expect(failures.length === 0, `In the child: ${failures.join('; ')}`)
  const opened = await rig.opened(mark)
  expect(
    opened > 0 && opened <= connections,
    `Expected the child to open one resource of its own (${connections} connections), got ${opened} connections`,
  )
  const still = rig.held()
  expect(
    names.every((name) => still.includes(name)),
    'Expected the parent to hold its connections still, but some are closed',
  )
  await goOn()
  const more = (await rig.opened(mark)) - opened
  expect(
    more === 0,
    `Expected the parent to go on with what it had, but it opened ${more} connections`,
  )
}

/** Makes sure that what waited in the parent has ended in the child. */
export async function expectStale(waiting: Promise<unknown>): Promise<void> {
  const outcome = await outcomeOf(waiting)
  expect(
    !outcome.ok && outcome.error instanceof StaleResourceError,
    `Expected the child's copy to reject with a StaleResourceError, got ${outcome.ok ? 'a resource' : String(outcome.error)}`,
  )
}
