import type { Check, Need } from './check.ts'
import { activeHandles, added } from './handles.ts'
import type { AnyOptions } from './options.ts'
import { bytesOf, expect, outcomeOf, type Rig } from './rig.ts'

/** The two ways in which a connection can end. */
const endings = [
  ['ended', 'end'],
  ['reset', 'reset'],
] as const

/** Checks of `validate`, `reset`, `watch`, `ref` and `unref`. */
export function livingChecks({ announce, kill, server }: AnyOptions): Check[] {
  return [
    {
      name: 'validate accepts a live resource',
      needs: ['validate'],
      async run(rig) {
        const resource = await rig.create()
        const valid = await rig.within('`validate`', rig.driver.validate?.(resource))
        expect(valid === true, `Expected \`validate\` to return true, got ${String(valid)}`)
        await rig.expectAnswer(resource)
      },
    },
    {
      name: 'validate asks the server',
      needs: ['validate', 'server'],
      run: validateAsks,
    },
    ...endings.map(([ended, how]) => ({
      name: `validate refuses a resource whose connection was ${ended}`,
      needs: ['validate' as const, 'server' as const],
      run: (rig: Rig) => validateDead(rig, () => rig.proxy.cut({ how })),
    })),
    ...(kill === undefined
      ? []
      : [
          {
            name: 'validate refuses a resource that was killed',
            needs: ['validate' as const],
            run: (rig: Rig) => validateDead(rig, kill),
          },
        ]),
    {
      name: 'reset accepts a resource in which its holder left nothing',
      needs: ['reset'],
      run: resetClean,
    },
    {
      name: 'reset removes what the last holder left',
      needs: ['reset', 'session'],
      async run(rig) {
        const resource = await rig.create()
        await leave(rig, resource)
        await rig.within('`reset`', reset(rig, resource))
        await expectRemoved(rig, resource)
        await rig.expectAnswer(resource)
      },
    },
    {
      name: 'reset removes it before the next holder in a pool',
      needs: ['reset', 'session'],
      run: resetInPool,
    },
    ...endings.map(([ended, how]) =>
      watching(`a connection that was ${ended}`, ['watch', 'server'], (rig) =>
        rig.proxy.cut({ how }),
      ),
    ),
    ...(kill === undefined
      ? []
      : [watching('a resource that was killed', ['watch'], (_, resource) => kill(resource))]),
    ...(kill === undefined && server === undefined ? [unproven] : []),
    ...(announce === undefined ? [] : announcements(announce)),
    {
      name: 'a pool does not lend a dead resource whose listeners its holder removed',
      needs: ['server'],
      run: loseWithoutListeners,
    },
    {
      name: 'a pool gives no holder the answer of another',
      needs: ['server'],
      run: leaveUnanswered,
    },
    {
      name: 'ref and unref: a lent resource keeps the process alive, an idle one does not',
      needs: ['ref'],
      run: refAndUnref,
    },
  ]
}

/** Turns a synchronous error into a rejection. */
async function call<T>(hook: () => T | Promise<T>): Promise<T> {
  return hook()
}

/** Calls `reset` as a pool does, with a context. */
function reset({ driver }: Rig, resource: object): void | Promise<void> {
  return driver.reset?.(resource, { checkProcess: () => undefined })
}

async function validateDead(rig: Rig, kill: (resource: object) => unknown): Promise<void> {
  const resource = await rig.create()
  await kill(resource)
  const saying = outcomeOf(call(() => rig.driver.validate?.(resource)))
  const outcome = await rig.within('`validate` of a dead resource', saying)
  expect(
    !outcome.ok || outcome.value === false,
    'Expected `validate` to return false or to reject, but it accepts a dead resource',
  )
}

/** A `reset` that rejects costs a resource at each release. */
async function resetClean(rig: Rig): Promise<void> {
  const resource = await rig.create()
  for (const holder of ['nobody', 'one holder', 'two holders']) {
    const outcome = await rig.within('`reset`', outcomeOf(call(() => reset(rig, resource))))
    expect(
      outcome.ok,
      `Expected \`reset\` to accept a resource that ${holder} had, but: ${outcome.ok ? '' : String(outcome.error)}`,
    )
    await rig.expectAnswer(resource)
  }
}

async function resetInPool(rig: Rig): Promise<void> {
  const pool = rig.pool({ max: 1 })
  const failed: string[] = []
  pool.on('hookError', ({ hook, error }) => failed.push(`\`${hook}\` fails: ${String(error)}`))
  const first = await pool.use(async (resource) => {
    await leave(rig, resource)
    return resource
  })
  await pool.use(async (resource) => {
    await expectRemoved(rig, resource)
    expect(
      resource === first,
      `Expected the next holder to get the same resource after its reset, but it gets another: ${failed.join('; ')}`,
    )
  })
}

/** The server announces its end while a request is in flight, and while the resource is idle in a pool. */
function announcements(announce: (resource: object) => unknown): Check[] {
  return [
    {
      name: 'watch retires a resource whose end was announced, and its holder can finish',
      needs: ['watch'],
      async run(rig) {
        const resource = await rig.create()
        const reported: string[] = []
        const lost = (error: Error): void => void reported.push(String(error))
        rig.driver.watch?.(resource, lost, () => reported.push('retired'))
        const { answer } = rig.ask(resource)
        await announce(resource)
        await answer
        await rig.eventually(
          () => reported.length > 0,
          () => 'Expected `watch` to retire a resource whose end was announced, but it does not',
        )
        expect(
          reported[0] === 'retired',
          `Expected \`watch\` to retire a resource whose end was announced, but it reports its loss: ${reported[0] ?? ''}`,
        )
      },
    },
    {
      name: 'a pool does not lend a resource whose end was announced',
      needs: ['watch'],
      async run(rig) {
        const pool = rig.pool({ max: 1 })
        const ends: string[] = []
        pool.on('destroy', ({ reason }) => ends.push(reason))
        const first = await pool.use(async (resource) => {
          await rig.expectAnswer(resource)
          return resource
        })
        await announce(first)
        await rig.eventually(
          () => ends.length > 0,
          () => 'Expected an idle resource whose end was announced to end, but it does not',
        )
        expect(ends[0] === 'retire', `Expected it to end with "retire", got "${ends[0] ?? ''}"`)
        await pool.use((resource) => rig.expectAnswer(resource))
      },
    },
  ]
}

/** Without a server, only `kill` makes a resource die. */
const unproven: Check = {
  name: 'watch reports a resource that dies',
  needs: ['watch'],
  async run({ driver }) {
    expect(
      false,
      `Driver "${driver.name}" has a \`watch\`, and there is no server: expected \`kill\` to show that it works, got none`,
    )
  },
}

async function validateAsks(rig: Rig): Promise<void> {
  const resource = await rig.create()
  await rig.proxy.hold()
  const mark = await rig.proxy.mark()
  let result: unknown
  const saying = outcomeOf(call(() => rig.driver.validate?.(resource))).then((outcome) => {
    result = outcome.ok ? outcome.value : 'rejected'
  })
  await rig.eventually(
    async () => result !== undefined || bytesOf(await rig.sent(mark)).length > 0,
    () => 'Expected `validate` to ask the server, but nothing was written',
  )
  expect(result !== true, 'Expected `validate` to ask the server, but it returns true by itself')
  await rig.proxy.cut()
  await rig.within('`validate` of a resource whose connection was cut', saying)
}

async function leave({ options: { session } }: Rig, resource: object): Promise<void> {
  await session?.leave(resource)
  const left = await session?.left(resource)
  expect(
    left === true,
    'Expected `session.left` to be true after `session.leave`, so that there is something to remove',
  )
}

async function expectRemoved({ options: { session } }: Rig, resource: object): Promise<void> {
  expect(
    (await session?.left(resource)) === false,
    'Expected `session.left` to be false after a reset, but the next holder finds what was left',
  )
}

function watching(
  what: string,
  needs: Need[],
  kill: (rig: Rig, resource: object) => unknown,
): Check {
  return {
    name: `watch reports ${what}`,
    needs,
    async run(rig) {
      const resource = await rig.create()
      const reported: unknown[] = []
      const lost = (error: Error): void => void reported.push(error)
      // A server may announce an end, and then kill.
      let retired = false
      rig.driver.watch?.(resource, lost, () => (retired = true))
      await rig.expectAnswer(resource)
      expect(
        reported.length === 0 && !retired,
        'Expected `watch` to report nothing for a live resource, but it does',
      )
      await kill(rig, resource)
      await rig.eventually(
        () => reported.length > 0,
        () => `Expected \`watch\` to report ${what}, but it does not`,
      )
      expect(
        reported[0] instanceof Error,
        `Expected \`watch\` to report an Error, got ${String(reported[0])}`,
      )
    },
  }
}

/** Holders call `removeAllListeners` to remove their own listeners, which may remove those of the driver too. */
async function loseWithoutListeners(rig: Rig): Promise<void> {
  const pool = rig.pool({ max: 1 })
  const lease = await pool.acquire()
  const emitter = lease.resource as { removeAllListeners?: unknown }
  if (typeof emitter.removeAllListeners === 'function') emitter.removeAllListeners()
  await rig.proxy.cut({ how: 'end' })
  await rig.eventually(
    () => rig.held().length === 0,
    () =>
      `Expected a resource whose connection was ended to close, but ${rig.held().join(', ')} is open`,
  )
  lease.release()
  await pool.use(async (resource) => {
    const answered = await outcomeOf(rig.expectAnswer(resource))
    expect(answered.ok, 'Expected the next holder to get a live resource, but it gets the dead one')
  })
}

/** Releases before the answer arrives. */
async function leaveUnanswered(rig: Rig): Promise<void> {
  const pool = rig.pool({ max: 1 })
  await pool.use(async (resource) => {
    await rig.expectAnswer(resource)
    await rig.holdAnswersOf('`echo`', () => outcomeOf(rig.echo(resource, 'no-answer')))
  })
  const next = outcomeOf(pool.use((resource) => rig.expectAnswer(resource)))
  await rig.proxy.resume()
  const answered = await next
  expect(
    answered.ok,
    `Expected the next holder to get its own answer, but: ${answered.ok ? '' : String(answered.error)}`,
  )
}

/** Checks each change within one turn of the event loop, because other connections of the process may end meanwhile. */
async function refAndUnref(rig: Rig): Promise<void> {
  const before = activeHandles()
  const resource = await rig.create()
  for (let lent = 0; lent < 2; lent++) {
    rig.driver.unref?.(resource)
    const idle = activeHandles()
    const still = added(before, idle)
    expect(
      still.length === 0,
      `Expected a resource not to keep the process alive after \`unref\`, but ${still.join(', ')} does`,
    )
    rig.driver.ref?.(resource)
    expect(
      added(idle, activeHandles()).length > 0,
      'Expected a resource to keep the process alive after `ref`, but it does not',
    )
  }
  await rig.expectAnswer(resource)
}
