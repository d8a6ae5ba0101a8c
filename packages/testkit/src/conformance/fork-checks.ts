import { type ForkSafePool, type Lease, StaleResourceError } from '@forksafe/core'
import { inChild } from '../fork.ts'
import type { Check } from './check.ts'
import { expectStale, type Notice, proveFork, type State } from './forked.ts'
import { openHandles } from './handles.ts'
import type { AnyDriver } from './options.ts'
import { expect, type Opening, type Rig, show } from './rig.ts'
import { sharedStates } from './sharing.ts'

/** How long a child waits for a server that does not answer. */
const NO_ANSWER_MILLIS = 50

/** Checks under a real fork: of `discard` alone, and in each state of a resource. */
export function forkChecks({ share }: AnyDriver): Check[] {
  const notices: readonly (readonly [Notice, string])[] = [
    ['hooked', 'that calls afterFork()'],
    ['unhooked', 'that detects the fork at its next use'],
  ]
  return [
    {
      name: 'discard, in a forked child, does not affect the parent’s connection',
      needs: ['fork'],
      run: discardInChild,
    },
    ...[...states, ...(share === undefined ? [] : sharedStates)].flatMap(
      ({ name, needs, prepare }) =>
        notices.map(([notice, how]) => ({
          name: `a fork ${name}, in a child ${how}`,
          needs: ['fork' as const, ...needs],
          run: async (rig: Rig, opening: Opening) =>
            proveFork(rig, opening, notice, await prepare(rig, opening)),
        })),
    ),
  ]
}

const states: readonly State[] = [
  {
    name: 'with idle resources',
    needs: [],
    async prepare(rig) {
      const pool = rig.pool({ max: 2 })
      await rig.fill(pool, 2)
      return { pool, goOn: () => rig.fill(pool, 2) }
    },
  },
  {
    name: 'while a resource is lent',
    needs: [],
    async prepare(rig) {
      const { pool, lease } = await borrow(rig)
      return {
        pool,
        use() {
          expectStaleLease(() => lease.resource)
          lease.release()
        },
        async goOn() {
          await rig.expectAnswer(lease.resource)
          lease.release()
          await rig.fill(pool, 1)
        },
      }
    },
  },
  {
    name: 'while a holder has changed its session',
    needs: ['session'],
    async prepare(rig) {
      const { session } = rig.options
      const pool = rig.pool({ max: 1 })
      const lease = await pool.acquire()
      await session?.leave(lease.resource)
      return {
        pool,
        use: () => lease.release(),
        async look(own) {
          const left = own !== undefined && (await session?.left(own))
          expect(
            left === false,
            'Expected the child to find a new session, but it finds what the parent left',
          )
        },
        async goOn() {
          const left = await session?.left(lease.resource)
          expect(left === true, 'Expected the session of the parent to be unchanged, but it is not')
          lease.release()
          // After the reset, because `echo` need not work before it.
          await pool.use((resource) => rig.expectAnswer(resource))
        },
      }
    },
  },
  {
    name: 'while a request is unanswered',
    needs: ['server'],
    async prepare(rig) {
      const pool = rig.pool({ max: 1 })
      const lease = await pool.acquire()
      const { asked } = await rig.holdAnswersOf('`echo`', () => rig.ask(lease.resource))
      return {
        pool,
        async goOn() {
          await rig.proxy.resume()
          await asked.answer
          await rig.expectAnswer(lease.resource)
          lease.release()
        },
      }
    },
  },
  creating('before the first answer of the server', () => 0),
  creating('before the last answer of the server', ({ answers }) => Math.max(0, answers - 1)),
  {
    name: 'while a resource is validated',
    needs: ['server', 'validate'],
    async prepare(rig) {
      const pool = rig.pool({ max: 1, validateAfterIdleMillis: 0 })
      await rig.fill(pool, 1)
      const { asked: acquiring } = await rig.holdAnswersOf('`validate`', () => acquireLater(pool))
      return {
        pool,
        look: () => expectStale(acquiring),
        goOn: () => finish(rig, acquiring),
      }
    },
  },
  {
    name: 'while a resource is reset',
    needs: ['server', 'reset', 'session'],
    async prepare(rig) {
      const { session } = rig.options
      const pool = rig.pool({ max: 1 })
      const lease = await pool.acquire()
      await session?.leave(lease.resource)
      await rig.holdAnswersOf('`reset`', () => lease.release())
      return {
        pool,
        async goOn() {
          await rig.proxy.resume()
          await pool.use(async (resource) => {
            const left = await session?.left(resource)
            expect(left === false, 'Expected the reset to be finished in the parent, but it is not')
          })
        },
      }
    },
  },
  {
    name: 'while a resource is destroyed',
    needs: ['server', 'goodbye'],
    async prepare(rig) {
      const { pool, lease } = await borrow(rig)
      await rig.holdPresent()
      const mark = await rig.proxy.mark()
      lease.destroy()
      await rig.expectWritten(mark, '`destroy`')
      return {
        pool,
        async goOn() {
          await rig.proxy.resume()
          await rig.expectNothingHeld('after the parent’s `destroy`')
        },
      }
    },
  },
  {
    name: 'while a caller waits',
    needs: [],
    async prepare(rig) {
      const { pool, lease } = await borrow(rig)
      const waiting = acquireLater(pool)
      return {
        pool,
        look: () => expectStale(waiting),
        async goOn() {
          await rig.expectAnswer(lease.resource)
          lease.release()
          const next = await waiting
          await rig.expectAnswer(next.resource)
          next.release()
        },
      }
    },
  },
]

/** Lets the server answer, and uses the resource that `acquiring` returns. */
async function finish(rig: Rig, acquiring: Promise<Lease<object>>): Promise<void> {
  await rig.proxy.resume()
  const lease = await acquiring
  await rig.expectAnswer(lease.resource)
  lease.release()
}

/** Borrows the only resource of a pool, and checks that it works. */
async function borrow(rig: Rig): Promise<{ pool: ForkSafePool<object>; lease: Lease<object> }> {
  const pool = rig.pool({ max: 1 })
  const lease = await pool.acquire()
  await rig.expectAnswer(lease.resource)
  return { pool, lease }
}

/** Acquires a resource later, or never. If the check fails before that, the rejection is ignored. */
function acquireLater(pool: ForkSafePool<object>): Promise<Lease<object>> {
  const acquiring = pool.acquire()
  acquiring.catch(() => undefined)
  return acquiring
}

function creating(name: string, answers: (opening: Opening) => number): State {
  return {
    name: `while a resource is opened, ${name}`,
    needs: ['server', 'handshake'],
    async prepare(rig, opening) {
      const pool = rig.pool({ max: 1 })
      await rig.proxy.hold({ direction: 'fromServer' })
      const acquiring = acquireLater(pool)
      const { settled } = await rig.step(acquiring, answers(opening))
      expect(!settled, 'Expected the resource not to be open yet, but it is')
      return {
        pool,
        timeoutMillis: NO_ANSWER_MILLIS,
        look: () => expectStale(acquiring),
        goOn: () => finish(rig, acquiring),
      }
    },
  }
}

async function discardInChild(rig: Rig): Promise<void> {
  const { driver, options } = rig
  const resource = await rig.create()
  await rig.expectAnswer(resource)
  const names = rig.held()
  await rig.quiet()
  const mark = rig.hasServer ? await rig.proxy.mark() : 0
  const held = await inChild(
    () => {
      driver.discard(resource)
      const held = openHandles().filter((name) => names.includes(name))
      driver.discard(resource)
      return held
    },
    { afterFork: false, timeoutMillis: options.timeoutMillis },
  )
  expect(
    held.length === 0,
    `Expected \`discard\` to close everything at once, but ${held.join(', ')} is open`,
  )
  if (rig.hasServer) {
    const sent = await rig.sent(mark)
    expect(sent.length === 0, `Expected \`discard\` to be silent, got ${show(sent)}`)
  }
  await rig.expectAnswer(resource)
}

function expectStaleLease(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (error instanceof StaleResourceError) return
    throw error
  }
  expect(false, 'Expected the child’s copy of a lease to be stale, but it returns a resource')
}
