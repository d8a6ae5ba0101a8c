import type { Check } from './check.ts'
import { activeHandles } from './handles.ts'
import { bytesOf, expect, outcomeOf, type Rig, show } from './rig.ts'

/** Checks of `destroy` and `discard` in one process. */
export const endingChecks: readonly Check[] = [
  {
    name: 'destroy ends the session politely',
    needs: ['server', 'goodbye'],
    async run(rig) {
      const resource = await rig.create()
      const mark = await rig.proxy.mark()
      await rig.within('`destroy`', rig.driver.destroy(resource))
      await rig.eventually(
        async () => !(await rig.proxy.connections()).some(({ open }) => open),
        () => 'Expected `destroy` to end the connection, but it is open',
      )
      const sent = await rig.sent(mark)
      const bytes = bytesOf(sent)
      const { goodbye = () => true } = rig.options
      expect(
        bytes.length > 0 && goodbye(bytes),
        `Expected \`destroy\` to send a goodbye, got ${show(sent)}`,
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
      expect(
        held.length === 0,
        `Expected \`destroy\` to close everything, but ${held.join(', ')} is open`,
      )
      await rig.expectNothingHeld('after `destroy`')
    },
  },
  {
    name: 'destroy settles for a dead resource',
    needs: ['death'],
    async run(rig) {
      const resource = await rig.create()
      await rig.die(resource)
      await rig.within('`destroy` of a dead resource', outcomeOf(destroy(rig, resource)))
      rig.driver.discard(resource) // As the pool does after a failed `destroy`.
      await rig.expectNothingHeld('after `destroy` of a dead resource')
    },
  },
  {
    name: 'discard closes everything synchronously and silently',
    needs: ['server'],
    async run(rig) {
      const resource = await rig.create()
      const mark = await rig.proxy.mark()
      // A request is in progress. Its outcome does not matter.
      await rig.proxy.hold({ direction: 'fromServer' })
      void outcomeOf(rig.echo(resource, 'no-answer'))
      await rig.expectWritten(mark, '`echo`')
      const asked = await rig.proxy.mark()
      discard(rig, resource)
      const held = rig.held()
      expect(
        held.length === 0,
        `Expected \`discard\` to close everything at once, but ${held.join(', ')} is open`,
      )
      await rig.proxy.resume()
      await rig.expectNothingHeld('after `discard`')
      const sent = await rig.sent(asked)
      expect(bytesOf(sent).length === 0, `Expected \`discard\` to be silent, got ${show(sent)}`)
    },
  },
  {
    name: 'discard leaves nothing open when it returns',
    needs: ['fork'],
    async run(rig) {
      discard(rig, await rig.create())
      const held = rig.held()
      expect(
        held.length === 0,
        `Expected \`discard\` to close everything at once, but ${held.join(', ')} is open`,
      )
    },
  },
  {
    name: 'discard can be repeated, and called for a dead or destroyed resource',
    needs: ['death'],
    async run(rig) {
      const before = activeHandles()
      const mark = rig.hasServer ? await rig.proxy.mark() : 0
      const discarded = await rig.create()
      for (let time = 0; time < 3; time++) discard(rig, discarded)
      await rig.expectNothingHeld('after `discard`')
      const destroyed = await rig.create()
      await rig.within('`destroy`', destroy(rig, destroyed))
      discard(rig, destroyed)
      const dead = await rig.create()
      await rig.die(dead)
      discard(rig, dead)
      await rig.expectNothingHeld('after `discard`')
      await rig.expectNothingActive(before, 'after `discard`')
      if (!rig.hasServer) return
      const opened = await rig.opened(mark)
      await rig.quiet()
      expect((await rig.opened(mark)) === opened, 'Expected no new connection after `discard`')
    },
  },
  {
    name: 'nothing is left open after a pool has closed',
    needs: [],
    async run(rig) {
      const before = activeHandles()
      const pool = rig.pool({ max: 3 })
      await rig.fill(pool, 3)
      const lease = await pool.acquire()
      lease.destroy()
      await rig.fill(pool, 3)
      await pool.close()
      await rig.expectNothingHeld('after a pool has closed')
      await rig.expectNothingActive(before, 'after a pool has closed')
    },
  },
]

async function destroy({ driver }: Rig, resource: object): Promise<void> {
  await driver.destroy(resource)
}

function discard({ driver }: Rig, resource: object): void {
  let result: unknown
  try {
    result = driver.discard(resource)
  } catch (error) {
    expect(false, `Expected \`discard\` never to throw, but it throws ${String(error)}`)
  }
  expect(
    result === undefined,
    `Expected \`discard\` to be synchronous and return nothing, got ${result instanceof Promise ? 'a promise' : String(result)}`,
  )
}
