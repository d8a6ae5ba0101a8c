import type { Check } from './check.ts'
import { beyond, holdingOpen } from './handles.ts'
import { bytesOf, expect, outcomeOf, type Rig, show } from './rig.ts'

/** What is proved of `destroy` and `discard` in one process. */
export const endingChecks: readonly Check[] = [
  {
    name: 'destroy says goodbye',
    needs: ['goodbye'],
    async run(rig) {
      const resource = await rig.create()
      const mark = await rig.proxy.mark()
      await rig.within('`destroy`', rig.driver.destroy(resource))
      await rig.eventually(
        async () => !(await rig.proxy.connections()).some(({ open }) => open),
        () => 'Expected `destroy` to end the connection, but it goes on',
      )
      const sent = await rig.sent(mark)
      const bytes = bytesOf(sent)
      const { goodbye = () => true } = rig.options
      expect(
        bytes.length > 0 && goodbye(bytes),
        `Expected \`destroy\` to say goodbye, got ${show(sent)}`,
      )
    },
  },
  {
    name: 'destroy has closed everything when it settles',
    needs: [],
    async run(rig) {
      const resource = await rig.create()
      await rig.within('`destroy`', rig.driver.destroy(resource))
      const held = rig.held()
      expect(held.length === 0, `Expected \`destroy\` to close, but ${held.join(', ')} is open`)
      await rig.expectNothingHeld('after `destroy`')
    },
  },
  {
    name: 'destroy settles for a resource that is dead',
    needs: [],
    async run(rig) {
      const resource = await rig.create()
      await rig.proxy.cut()
      await rig.within('`destroy` of a dead resource', outcomeOf(destroy(rig, resource)))
      rig.driver.discard(resource) // As the pool does where there could be no goodbye.
      await rig.expectNothingHeld('of a dead resource after `destroy`')
    },
  },
  {
    name: 'discard lets go at once, and says nothing',
    needs: [],
    async run(rig) {
      const resource = await rig.create()
      const mark = await rig.proxy.mark()
      // It is in the middle of something. Whether its holder ever hears is of no concern.
      await rig.proxy.hold({ direction: 'fromServer' })
      void outcomeOf(rig.options.echo(resource, 'no-answer'))
      await rig.expectWritten(mark, '`echo`')
      const asked = await rig.proxy.mark()
      discard(rig, resource)
      const held = rig.held()
      expect(held.length === 0, `Expected \`discard\` to let go, but ${held.join(', ')} is open`)
      await rig.proxy.resume()
      await rig.expectNothingHeld('after `discard`')
      const sent = await rig.sent(asked)
      expect(bytesOf(sent).length === 0, `Expected \`discard\` to be silent, got ${show(sent)}`)
    },
  },
  {
    name: 'discard does no harm when repeated, and to what is dead or destroyed',
    needs: [],
    async run(rig) {
      const mark = await rig.proxy.mark()
      const discarded = await rig.create()
      for (let time = 0; time < 3; time++) discard(rig, discarded)
      await rig.expectNothingHeld('after `discard`')
      const destroyed = await rig.create()
      await rig.within('`destroy`', destroy(rig, destroyed))
      discard(rig, destroyed)
      const dead = await rig.create()
      await rig.proxy.cut()
      discard(rig, dead)
      await rig.expectNothingHeld('after `discard`')
      const opened = await rig.opened(mark)
      await rig.quiet()
      expect((await rig.opened(mark)) === opened, 'Expected no new connection after `discard`')
    },
  },
  {
    name: 'nothing is left open of a pool that has closed',
    needs: [],
    async run(rig) {
      const before = holdingOpen()
      const pool = rig.pool({ max: 3 })
      await rig.fill(pool, 3)
      const lease = await pool.acquire()
      lease.destroy()
      await rig.fill(pool, 3)
      await pool.close()
      await rig.expectNothingHeld('of a pool that has closed')
      await rig.eventually(
        () => beyond(before, holdingOpen()).length === 0,
        () =>
          `Expected nothing to hold the process open, but ${beyond(before, holdingOpen()).join(', ')} does`,
      )
    },
  },
]

async function destroy({ driver }: Rig, resource: object): Promise<void> {
  await driver.destroy(resource)
}

function discard({ driver }: Rig, resource: object): void {
  let given: unknown
  try {
    given = driver.discard(resource)
  } catch (error) {
    expect(false, `Expected \`discard\` never to throw, but it throws ${String(error)}`)
  }
  expect(
    given === undefined,
    `Expected \`discard\` to be synchronous and give nothing, got ${given instanceof Promise ? 'a promise' : String(given)}`,
  )
}
