import type { ForkSafePool } from '@forksafe/core'
import type { Check } from './check.ts'
import { expectStale, type State } from './forked.ts'
import { expect, outcomeOf, type Rig } from './rig.ts'

/** Enough to fill a resource several times. */
const REQUESTS = 50
const MAX_IN_FLIGHT = 8

/** Checks of a driver whose resources many callers can share. */
export const sharingChecks: readonly Check[] = [
  {
    name: 'share: requests on one resource each get their own answer',
    needs: ['share'],
    async run(rig) {
      const pool = sharedPool(rig)
      const first = await pool.use((resource) => resource)
      await Promise.all(share(rig, pool, REQUESTS))
      const last = await pool.use((resource) => resource)
      expect(first === last, 'Expected one resource to answer all requests, but it was replaced')
    },
  },
  {
    name: 'share: requests are sent before earlier ones are answered',
    needs: ['share', 'server'],
    async run(rig) {
      const pool = sharedPool(rig)
      await rig.fill(pool, 1)
      await rig.holdPresent('fromServer')
      const mark = await rig.proxy.mark()
      const first = outcomeOf(pool.share((resource) => rig.echo(resource, 'first')))
      await rig.expectWritten(mark, 'the first request')
      const next = await rig.proxy.mark()
      const others = share(rig, pool, 2)
      await rig.expectWritten(next, 'a request behind another one')
      await rig.proxy.resume()
      await first
      await Promise.all(others)
    },
  },
  {
    name: 'share: after its requests, a resource is as good as before, for one holder and for others',
    needs: ['share'],
    async run(rig) {
      const pool = sharedPool(rig)
      const { session } = rig.options
      for (let round = 0; round < 3; round++) {
        await Promise.all(share(rig, pool, 3))
        await pool.use(async (resource) => {
          await rig.expectAnswer(resource)
          await session?.leave(resource)
        })
      }
      const resource = await rig.create()
      const { driver } = rig
      for (let round = 0; round < 3; round++) {
        driver.share?.begin(resource)
        driver.share?.end(resource)
      }
      await rig.expectAnswer(resource)
    },
  },
  {
    name: 'share: the end of a connection rejects every request in flight',
    needs: ['share', 'watch', 'server'],
    async run(rig) {
      const pool = sharedPool(rig)
      await rig.fill(pool, 1)
      await rig.holdPresent('fromServer')
      const mark = await rig.proxy.mark()
      let sent = 0
      const outcomes = Array.from({ length: 3 }, () =>
        outcomeOf(
          pool.share((resource) => {
            sent++
            return rig.echo(resource, 'no-answer')
          }),
        ),
      )
      await rig.expectWritten(mark, 'a shared request')
      const lost = outcomes.slice(0, sent)
      await rig.proxy.cut({ how: 'end' })
      await rig.proxy.resume()
      for (const { ok } of await rig.within('the requests in flight', Promise.all(lost))) {
        expect(!ok, 'Expected a request whose connection ended to reject, but it is answered')
      }
      await Promise.all(outcomes)
      await Promise.all(share(rig, pool, 3))
    },
  },
]

/** The states of sharing in which the process is forked. */
export const sharedStates: readonly State[] = [
  {
    name: 'while shared requests are unanswered',
    needs: ['share', 'server'],
    async prepare(rig) {
      const pool = sharedPool(rig)
      await rig.fill(pool, 1)
      await rig.holdPresent('fromServer')
      const mark = await rig.proxy.mark()
      const answers = share(rig, pool, 3)
      await rig.expectWritten(mark, 'a shared request')
      return {
        pool,
        look: () => expectAllStale(answers),
        goOn: () => expectAnswersInStep(rig, pool, answers),
      }
    },
  },
  {
    name: 'in the tick in which shared requests are sent',
    needs: ['share', 'server'],
    async prepare(rig) {
      const pool = sharedPool(rig)
      await rig.fill(pool, 1)
      await rig.holdPresent('fromServer')
      let answers: Promise<unknown>[] = []
      return {
        pool,
        sends() {
          answers = share(rig, pool, 3)
        },
        look: () => expectAllStale(answers),
        goOn: () => expectAnswersInStep(rig, pool, answers),
      }
    },
  },
]

function sharedPool(rig: Rig): ForkSafePool<object> {
  return rig.pool({ max: 1, maxInFlight: MAX_IN_FLIGHT })
}

/** Shares the pool's resource among that many requests. If the check fails before they are awaited, their rejections are ignored. */
function share(rig: Rig, pool: ForkSafePool<object>, count: number): Promise<unknown>[] {
  return Array.from({ length: count }, () => {
    const answer = pool.share((resource) => rig.ask(resource).answer)
    answer.catch(() => undefined)
    return answer
  })
}

async function expectAllStale(answers: readonly Promise<unknown>[]): Promise<void> {
  for (const answer of answers) await expectStale(answer)
}

/**
 * Forwards the answers of the server, which were held, and expects every request to be answered once. If the server has executed one
 * twice, those behind it get the answers of earlier ones.
 */
async function expectAnswersInStep(
  rig: Rig,
  pool: ForkSafePool<object>,
  answers: readonly Promise<unknown>[],
): Promise<void> {
  const mark = await rig.proxy.mark()
  const behind = share(rig, pool, REQUESTS)
  await rig.expectWritten(mark, 'a request behind those at the fork')
  await rig.proxy.resume()
  await Promise.all([...answers, ...behind])
  await pool.use((resource) => rig.expectAnswer(resource))
}
