import type { Check } from './check.ts'
import { beyond, holdingOpen } from './handles.ts'
import type { AnyOptions } from './options.ts'
import { bytesOf, expect, outcomeOf, type Rig } from './rig.ts'

/** The two ways in which a connection may end. */
const endings = [
  ['ended', 'end'],
  ['reset', 'reset'],
] as const

/** What is proved of `validate`, `reset`, `watch`, `ref` and `unref`. */
export function livingChecks({ kill }: AnyOptions): Check[] {
  return [
    {
      name: 'validate says yes of a live resource',
      needs: ['validate'],
      async run(rig) {
        const resource = await rig.create()
        const valid = await rig.within('`validate`', rig.driver.validate?.(resource))
        expect(valid === true, `Expected \`validate\` to say true, got ${String(valid)}`)
        await rig.expectAnswer(resource)
      },
    },
    {
      name: 'validate asks the server before it says yes',
      needs: ['validate'],
      run: validateAsks,
    },
    ...endings.map(([ended, how]) => ({
      name: `validate says no of a resource whose connection was ${ended}`,
      needs: ['validate' as const],
      async run(rig: Rig) {
        const resource = await rig.create()
        await rig.proxy.cut({ how })
        const saying = outcomeOf(call(() => rig.driver.validate?.(resource)))
        const outcome = await rig.within('`validate` of a dead resource', saying)
        expect(
          !outcome.ok || outcome.value === false,
          'Expected `validate` to say false or to reject, but it says yes of a dead resource',
        )
      },
    })),
    {
      name: 'reset hides from the next holder what the last one left',
      needs: ['reset', 'session'],
      async run(rig) {
        const resource = await rig.create()
        await leave(rig, resource)
        await rig.within('`reset`', rig.driver.reset?.(resource))
        await expectHidden(rig, resource)
        await rig.expectAnswer(resource)
      },
    },
    {
      name: 'reset hides it in a pool',
      needs: ['reset', 'session'],
      async run(rig) {
        const pool = rig.pool({ max: 1 })
        await pool.use((resource) => leave(rig, resource))
        await pool.use((resource) => expectHidden(rig, resource))
      },
    },
    ...endings.map(([ended, how]) =>
      watching(`a connection that was ${ended}`, (rig) => rig.proxy.cut({ how })),
    ),
    ...(kill === undefined
      ? []
      : [watching('what the server has killed', (_, resource) => kill(resource))]),
    {
      name: 'a pool lends no resource that died while its holder had removed its listeners',
      needs: [],
      run: dieUnheard,
    },
    {
      name: 'a pool gives the answer of one holder to no other',
      needs: [],
      run: leaveUnanswered,
    },
    {
      name: 'ref and unref: an idle resource does not hold the process open, a lent one does',
      needs: ['ref'],
      run: holdAndLetGo,
    },
  ]
}

/** So that what throws at once is a rejection. */
async function call<T>(hook: () => T | Promise<T>): Promise<T> {
  return hook()
}

async function validateAsks(rig: Rig): Promise<void> {
  const resource = await rig.create()
  await rig.proxy.hold()
  const mark = await rig.proxy.mark()
  let said: unknown
  const saying = outcomeOf(call(() => rig.driver.validate?.(resource))).then((outcome) => {
    said = outcome.ok ? outcome.value : 'no'
  })
  await rig.eventually(
    async () => said !== undefined || bytesOf(await rig.sent(mark)).length > 0,
    () => 'Expected `validate` to ask the server, but nothing was written',
  )
  expect(said !== true, 'Expected `validate` to ask the server, but it says yes by itself')
  await rig.proxy.cut()
  await rig.within('`validate` of a resource whose connection was cut', saying)
}

async function leave({ options: { session } }: Rig, resource: object): Promise<void> {
  await session?.leave(resource)
  expect(
    (await session?.left(resource)) === true,
    'Expected `session.left` to be true after `session.leave`, so that there is something to hide',
  )
}

async function expectHidden({ options: { session } }: Rig, resource: object): Promise<void> {
  expect(
    (await session?.left(resource)) === false,
    'Expected `session.left` to be false after a reset, but the next holder finds what was left',
  )
}

function watching(what: string, kill: (rig: Rig, resource: object) => Promise<unknown>): Check {
  return {
    name: `watch tells of ${what}`,
    needs: ['watch'],
    async run(rig) {
      const resource = await rig.create()
      const told: unknown[] = []
      rig.driver.watch?.(resource, (error) => told.push(error))
      await rig.expectAnswer(resource)
      expect(told.length === 0, 'Expected `watch` to say nothing of a live resource, but it does')
      await kill(rig, resource)
      await rig.eventually(
        () => told.length > 0,
        () => `Expected \`watch\` to tell of ${what}, but it does not`,
      )
      expect(
        told[0] instanceof Error,
        `Expected \`watch\` to give an Error, got ${String(told[0])}`,
      )
    },
  }
}

/** Holders call `removeAllListeners` to remove their own listeners. Those of the driver go with them. */
async function dieUnheard(rig: Rig): Promise<void> {
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

/** The holder does not wait for its answer, which comes after the release. */
async function leaveUnanswered(rig: Rig): Promise<void> {
  const pool = rig.pool({ max: 1 })
  await pool.use(async (resource) => {
    await rig.expectAnswer(resource)
    const mark = await rig.proxy.mark()
    await rig.holdPresent('fromServer')
    void outcomeOf(rig.options.echo(resource, 'no-answer'))
    await rig.expectWritten(mark, '`echo`')
  })
  const next = outcomeOf(pool.use((resource) => rig.expectAnswer(resource)))
  await rig.proxy.resume()
  const answered = await next
  expect(
    answered.ok,
    `Expected the next holder to get its own answer, but: ${answered.ok ? '' : String(answered.error)}`,
  )
}

/** Other connections of this process may end meanwhile: what `ref` changes is looked at in one turn of the event loop. */
async function holdAndLetGo(rig: Rig): Promise<void> {
  const before = holdingOpen()
  const resource = await rig.create()
  for (let lent = 0; lent < 2; lent++) {
    rig.driver.unref?.(resource)
    const idle = holdingOpen()
    const still = beyond(before, idle)
    expect(
      still.length === 0,
      `Expected a resource not to hold the process open after \`unref\`, but ${still.join(', ')} does`,
    )
    rig.driver.ref?.(resource)
    expect(
      beyond(idle, holdingOpen()).length > 0,
      'Expected a resource to hold the process open after `ref` alone, but it does not',
    )
  }
  await rig.expectAnswer(resource)
}
