import type { CreateFailure } from '@forksafe/core'
import type { Check } from './check.ts'
import { activeHandles } from './handles.ts'
import type { AnyOptions } from './options.ts'
import { bytesOf, expect, outcomeOf, type Rig, show } from './rig.ts'

/** Checks of `create` and `classify`. */
export function openingChecks({ failures }: AnyOptions): Check[] {
  return [
    {
      name: 'create opens a resource that answers',
      needs: [],
      run: async (rig) => rig.expectAnswer(await rig.create()),
    },
    {
      name: 'create opens nothing if its signal has already aborted',
      needs: [],
      async run(rig) {
        const mark = rig.hasServer ? await rig.proxy.mark() : 0
        const before = activeHandles()
        await rig.within('an aborted `create`', outcomeOf(rig.begin(AbortSignal.abort())))
        await rig.expectNothingHeld('by a `create` that was aborted before it began')
        if (!rig.hasServer) return rig.expectNothingActive(before, 'after an aborted `create`')
        const opened = await rig.opened(mark)
        expect(opened === 0, `Expected no connection to be opened, got ${opened}`)
      },
    },
    {
      name: 'create closes everything when its signal aborts at once',
      needs: [],
      run: abortAtOnce,
    },
    {
      name: 'create closes everything silently when its signal aborts, at each step',
      needs: ['server'],
      run: abortAtEachStep,
    },
    {
      name: 'create waits for an answer of the server',
      needs: ['server', 'handshake'],
      async run({ driver }, { answers }) {
        expect(
          answers > 0,
          `Expected \`create\` of driver "${driver.name}" to wait for an answer of the server, so that a server that hangs does not count as up`,
        )
      },
    },
    {
      name: 'create leaves nothing open when it fails midway',
      needs: ['server', 'handshake'],
      async run(rig, { answers }) {
        for (const how of ['end', 'reset'] as const) {
          for (const count of new Set([0, Math.max(0, answers - 1)])) {
            await rig.proxy.hold({ direction: 'fromServer' })
            const opening = rig.begin()
            await rig.step(opening, count)
            await rig.proxy.cut({ how })
            const { ok } = await rig.within('a `create` that was cut off', outcomeOf(opening))
            expect(!ok, 'Expected `create` to reject when it is cut off, but it returns a resource')
            await rig.expectNothingHeld('by a `create` that has failed')
            await rig.proxy.resume()
          }
        }
      },
    },
    {
      name: 'classify calls a server that refuses connections transient',
      needs: ['classify', 'server'],
      async run(rig) {
        await rig.proxy.refuse()
        await expectKind(rig, 'transient', rig.connection)
      },
    },
    ...failureChecks(failures ?? {}),
  ]
}

function failureChecks(failures: NonNullable<AnyOptions['failures']>): Check[] {
  const checks = Object.entries(failures).map(([what, { kind, connection }]) => ({
    name: `classify calls ${what} ${kind}`,
    needs: ['classify' as const],
    run: (rig: Rig) => expectKind(rig, kind, rig.connectionFrom(connection)),
  }))
  if (checks.length > 0) return checks
  return [
    {
      name: 'classify recognizes failures that a retry would not fix',
      needs: ['classify'],
      async run({ driver }) {
        expect(
          false,
          `Driver "${driver.name}" has a \`classify\`: expected \`failures\` with the failures that it distinguishes, got none`,
        )
      },
    },
  ]
}

async function expectKind(rig: Rig, kind: CreateFailure, connection: unknown): Promise<void> {
  const { driver } = rig
  const outcome = await rig.within('`create`', outcomeOf(rig.begin(undefined, connection)))
  if (outcome.ok) return expect(false, 'Expected `create` to reject, but it returns a resource')
  const result = driver.classify?.(outcome.error)
  expect(
    result === kind,
    `Expected \`classify\` to return "${kind}", got "${String(result)}" for ${String(outcome.error)}`,
  )
  await rig.expectNothingHeld('by a `create` that has failed')
}

async function abortAtOnce(rig: Rig): Promise<void> {
  const before = activeHandles()
  const atOnce = new AbortController()
  const begun = rig.begin(atOnce.signal)
  atOnce.abort()
  await rig.within('a `create` that was aborted at once', outcomeOf(begun))
  await rig.expectNothingHeld('by a `create` that was aborted as soon as it began')
  await rig.expectNothingActive(before, 'after a `create` that was aborted as soon as it began')
}

async function abortAtEachStep(rig: Rig): Promise<void> {
  for (let answers = 0; ; answers++) {
    const aborter = new AbortController()
    await rig.proxy.hold({ direction: 'fromServer' })
    const opening = rig.begin(aborter.signal)
    const { settled } = await rig.step(opening, answers)
    if (settled) return
    await rig.quiet()
    const mark = await rig.proxy.mark()
    aborter.abort()
    const held = rig.held()
    expect(
      held.length === 0,
      `Expected an abort to close everything at once, but ${held.join(', ')} is open`,
    )
    await rig.within('a `create` that was aborted', outcomeOf(opening))
    await rig.proxy.resume()
    await rig.expectNothingHeld('by a `create` that was aborted')
    const sent = await rig.sent(mark)
    expect(bytesOf(sent).length === 0, `Expected silence after an abort, got ${show(sent)}`)
  }
}
