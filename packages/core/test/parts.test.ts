import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Context } from '../src/context/context.ts'
import { Clock, machineClocks } from '../src/tools/clock.ts'
import { loadKoffi } from '../src/identity/sources.ts'
import { ProcessIdentity } from '../src/identity/identity.ts'
import { defineDriver } from '../src/index.ts'
import { type Linked, LinkedList } from '../src/tools/list.ts'
import { Queue } from '../src/lend/queue.ts'
import { SlowKeys } from '../src/lend/slow-keys.ts'
import { kindOf } from '../src/tools/rules.ts'
import { FakeDriver, type FakeResource } from './support/fake-driver.ts'

// Cases that a user of the pool cannot cause, or would only notice by their cost.

class Member implements Linked<Member> {
  previous: Member | undefined = undefined
  next: Member | undefined = undefined
  constructor(readonly name: string) {}
}

describe('a linked list', () => {
  const namesOf = (list: LinkedList<Member>) => list.members().map(({ name }) => name)

  test('keeps its order when a member is inserted at the front, in the middle or at the end', () => {
    const list = new LinkedList<Member>()
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => new Member(name)) as [
      Member,
      Member,
      Member,
      Member,
    ]
    list.push(c)
    list.insert(a, c)
    list.insert(b, c)
    list.insert(d, undefined)
    expect(namesOf(list)).toEqual(['a', 'b', 'c', 'd'])
    expect(list.length).toBe(4)
    expect(list.first).toBe(a)
    expect(list.last).toBe(d)
  })
})

test('a caller can leave the queue only once', () => {
  const clock = new Clock(machineClocks)
  const context = { clock, checkProcess: () => undefined } as Context<FakeResource>
  const queue = new Queue<FakeResource>(context, {
    expired: () => undefined,
    rejected: () => undefined,
  })
  const waiters = [queue.enqueue(0, 9), queue.enqueue(0, 9)] as const
  queue.remove(waiters[0])
  queue.remove(waiters[0])
  expect(queue.waiting).toBe(1)
  expect(queue.next()).toBe(waiters[1])
  queue.stop()
})

test('no error occurs if koffi is not installed or fails to load', () => {
  expect(loadKoffi(['nowhere'])).toBeUndefined()
  expect(loadKoffi(['nowhere', import.meta.url])).toBeDefined()
})

test('defineDriver returns the driver unchanged', () => {
  const driver = new FakeDriver()
  expect(defineDriver(driver)).toBe(driver)
})

describe('an identity', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('forgets pools that are no longer referenced', () => {
    const references: { held: boolean; looks: number }[] = []
    vi.stubGlobal(
      'WeakRef',
      class {
        held = true
        looks = 0
        readonly #target: object
        constructor(target: object) {
          this.#target = target
          references.push(this)
        }
        deref(): object | undefined {
          this.looks++
          return this.held ? this.#target : undefined
        }
      },
    )
    const identity = new ProcessIdentity(() => ({
      name: 'none',
      changed: () => false,
      settle: () => undefined,
    }))
    const tell = vi.fn<() => void>()
    const open = (): void =>
      void identity.watch('always', { disown: () => () => undefined, inUse: () => true, tell })
    open()
    identity.announce('fork')
    expect(tell).toHaveBeenCalledTimes(1)
    for (const reference of references) reference.held = false
    identity.announce('fork')
    expect(tell).toHaveBeenCalledTimes(1)

    // Without a change they are forgotten too, in rare batches.
    for (let n = 0; n < 1_000; n++) {
      open()
      for (const reference of references) reference.held = false
    }
    const looks = references.map(({ looks }) => looks)
    expect(Math.max(...looks)).toBeLessThanOrEqual(2)
    expect(looks.filter((looks) => looks === 0).length).toBeLessThanOrEqual(16)
  })
})

test('beyond a thousand slow keys, the oldest is forgotten', () => {
  const keys = new SlowKeys(10, { expectPoll: () => undefined, busyMillis: () => 0 })
  keys.limitRoundTrip(1)
  for (let key = 0; key <= 1_000; key++) keys.answered(`key ${key}`, 0, 0, 100)
  expect(keys.has('key 0')).toBe(false)
  expect(keys.has('key 1')).toBe(true)
  expect(keys.has('key 1000')).toBe(true)
})

test('kindOf does not throw for an object that throws when it is examined', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(kindOf(proxy)).toBe('an object')
})

describe('a clock', () => {
  function countedClock() {
    let readings = 0
    const machine = { monotonic: () => ++readings, wall: () => 0 }
    return { clock: new Clock(machine), readings: () => readings }
  }

  test('is read once for 32 uses in a burst, and at each isolated use', async () => {
    const { clock, readings } = countedClock()
    for (let use = 0; use < 32; use++) clock.look()
    const beforeBurst = readings()
    for (let use = 0; use < 64; use++) clock.look()
    expect(readings() - beforeBurst).toBe(2)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    const afterBurst = readings()
    for (let use = 0; use < 31; use++) clock.look()
    expect(readings() - afterBurst).toBe(31)
  })

  test('that was in a burst when the snapshot was written is read again after a reset', () => {
    const { clock, readings } = countedClock()
    for (let use = 0; use < 32; use++) clock.look()
    clock.reset()
    const before = readings()
    clock.look()
    expect(readings() - before).toBe(1)
  })
})
