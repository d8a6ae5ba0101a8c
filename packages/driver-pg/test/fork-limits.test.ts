import { fork, inChild } from '@forksafe/testkit'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pgDriverWith } from '../src/index.ts'
import { expectWritten, fromClient, openWatchedPool, outcomeOf } from './support/forked.ts'
import { backendPid, role, startProxy } from './support/pools.ts'
import { blockUntilEnded } from '@forksafe/scripts/forked'

// What the net under a forgotten `afterFork()` cannot catch, and what becomes of it where the hook is called. Each is what
// docs/fork-detection.md says of it.

async function openProxy() {
  const { proxy, stop } = await startProxy('plain')
  onTestFinished(stop)
  return proxy
}

const nothing = Symbol('nothing came')

describe('a client that was taken before the fork, and used without asking its lease,', () => {
  test.each([
    { afterFork: false, written: 1 },
    { afterFork: true, written: 0 },
  ])(
    'with afterFork() $afterFork writes on the parent’s connection $written times',
    async ({ afterFork, written }) => {
      const proxy = await openProxy()
      const { pool } = openWatchedPool(proxy, 'plain', { max: 1, destroyTimeoutMillis: 50 })
      const { resource: client } = await pool.acquire()
      await backendPid(client)
      // The parent is not to be told an answer that it did not ask for.
      await proxy.hold()
      const mark = await proxy.mark()
      const outcome = await inChild(
        async () => {
          const answer = outcomeOf(client.query('SELECT 1'))
          if (!afterFork) await expectWritten(proxy, mark)
          return afterFork ? answer : 'written'
        },
        { afterFork },
      )
      expect(outcome).toBe(afterFork ? 'Error' : 'written')
      const records = await proxy.records({ since: mark, openedBefore: mark })
      expect(fromClient(records)).toHaveLength(written)
    },
  )
})

describe('a child that never uses the pool', () => {
  test.each([
    { afterFork: false, reader: 'child' },
    { afterFork: true, reader: 'parent' },
  ])(
    'with afterFork() $afterFork leaves what the server sends to the $reader',
    async ({ afterFork, reader }) => {
      const proxy = await openProxy()
      const { pool } = openWatchedPool(proxy, 'plain', { max: 1 })
      const { resource: client } = await pool.acquire()
      await proxy.hold({ direction: 'fromServer' })
      const mark = await proxy.mark()
      const answer = client.query('SELECT 42 AS answer').then(({ rows }) => rows)
      await expectWritten(proxy, mark)
      const child = await fork(
        async () => {
          await proxy.resume()
          // The parent does nothing meanwhile: whoever can read it, does.
          return Promise.race([answer.catch(() => []), later([], reader === 'child')])
        },
        { afterFork },
      )
      blockUntilEnded(child.pid)
      const inParent = await Promise.race([answer, later(nothing, reader === 'parent')])
      const read = { child: await child.result, parent: inParent }
      const rows = [{ answer: 42 }]
      expect(read).toEqual(
        reader === 'child' ? { child: rows, parent: nothing } : { child: [], parent: rows },
      )
    },
  )

  test('and is answered in the middle of a reset notices, and goes no step further', async () => {
    const proxy = await openProxy()
    const driver = pgDriverWith({ resetQuery: 'DISCARD ALL' })
    const { pool } = openWatchedPool(proxy, 'plain', { max: 1 }, { driver })
    const lease = await pool.acquire()
    await lease.resource.query('BEGIN')
    await proxy.hold({ direction: 'fromServer' })
    const mark = await proxy.mark()
    lease.release()
    await expectWritten(proxy, mark)
    const child = await fork(
      async () => {
        const change = new Promise((resolve) => pool.once('processChange', resolve))
        await proxy.resume()
        return Promise.race([change.then(() => 'noticed'), later(nothing.description, true)])
      },
      { afterFork: false },
    )
    blockUntilEnded(child.pid)
    expect(await child.result).toBe('noticed')
    const records = await proxy.records({ since: mark, openedBefore: mark })
    expect(fromClient(records)).toHaveLength(1)
  })

  test.skipIf(role === undefined).each([
    { afterFork: false, goesOn: true },
    { afterFork: true, goesOn: false },
  ])(
    'with afterFork() $afterFork goes on opening what the parent opens: $goesOn',
    async ({ afterFork, goesOn }) => {
      const proxy = await openProxy()
      let tell = (): void => undefined
      const told = new Promise<void>((resolve) => (tell = resolve))
      let asked = 0
      const password = async () => {
        asked++
        await told
        return role?.password ?? ''
      }
      const login = { user: role?.user, password }
      const { pool } = openWatchedPool(proxy, 'plain', { max: 1 }, { login })
      pool.acquire().catch(() => undefined)
      await expect.poll(() => asked).toBe(1)
      await proxy.hold()
      const mark = await proxy.mark()
      await inChild(
        async () => {
          tell()
          // Long enough to be written on a busy machine.
          await sleep(goesOn ? 1_000 : 100)
        },
        { afterFork },
      )
      const said = fromClient(await proxy.records({ since: mark, openedBefore: mark }))
      expect(said.length > 0).toBe(goesOn)
    },
  )
})

/** Settles late: long after what is `expected`, which ends the wait, or long enough to notice what is not. */
function later<T>(value: T, expected = false): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, expected ? 8_000 : 100, value))
}
