import { type Lease, LeaseReleasedError } from '@forksafe/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { cancelOrEnd, useUntilAborted, type Work } from '../src/index.ts'
import { dialect, openPool, type Session } from './support/fake.ts'

describe('work with a signal', () => {
  const { cancel } = dialect

  test('releases the resource when it is done', async () => {
    const { pool } = openPool()
    const { signal } = new AbortController()
    expect(await useUntilAborted(pool, signal, cancel, async () => 1)).toBe(1)
    await expect.poll(() => pool.stats.idle).toBe(1)
  })

  test('rejects at once when it aborts, and releases the resource when it is clean', async () => {
    const { pool, session } = openPool()
    const controller = new AbortController()
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => (end = resolve))
    const working = useUntilAborted(pool, controller.signal, cancel, () => ended)
    await expect.poll(() => pool.stats.borrowed).toBe(1)
    await Promise.resolve()
    controller.abort(new Error('enough'))
    await expect(working).rejects.toThrow('enough')
    expect(pool.stats.borrowed).toBe(1)
    end()
    await expect.poll(() => pool.stats.idle).toBe(1)
    expect(session.ran).toEqual(['cancel'])
  })

  test('does not start if it aborts while the resource is being handed over', async () => {
    const { pool } = openPool()
    ;(await pool.acquire()).release()
    const controller = new AbortController()
    let begun = false
    const work = async (): Promise<void> => void (begun = true)
    const working = useUntilAborted(pool, controller.signal, cancel, work)
    controller.abort(new Error('enough'))
    await expect(working).rejects.toThrow('enough')
    expect(begun).toBe(false)
    expect(pool.stats.idle).toBe(1)
  })

  test('ignores an abort after `decide`, and fails at `decide` after an abort', async () => {
    const { pool } = openPool()
    const decided = new AbortController()
    const late = useUntilAborted(
      pool,
      decided.signal,
      cancel,
      async (_resource, _lease, decide) => {
        decide()
        decided.abort()
        return 'done'
      },
    )
    expect(await late).toBe('done')
    const aborted = new AbortController()
    let told: unknown
    const early = useUntilAborted(
      pool,
      aborted.signal,
      cancel,
      async (_resource, _lease, decide) => {
        aborted.abort(new Error('enough'))
        try {
          decide()
        } catch (error) {
          told = error
        }
      },
    )
    await expect(early).rejects.toThrow('enough')
    expect(told).toMatchObject({ message: 'enough' })
  })

  describe.each([
    ['`cancel`', () => new Promise<never>(() => undefined), async () => undefined],
    ['the work', cancel, () => new Promise<never>(() => undefined)],
  ])('that aborts while %s never settles', (_, cancel, work) => {
    test('discards the resource after 3 seconds', async () => {
      const { pool, ended } = openPool()
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => void vi.useRealTimers())
      const controller = new AbortController()
      let used: Lease<Session> | undefined
      const working = useUntilAborted(pool, controller.signal, cancel, (_, lease) => {
        used = lease
        controller.abort(new Error('enough'))
        return work()
      })
      await expect(working).rejects.toThrow('enough')
      await vi.advanceTimersByTimeAsync(2_999)
      expect(pool.stats.borrowed).toBe(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(pool.stats).toMatchObject({ borrowed: 0, idle: 0, size: 0 })
      expect(ended).toEqual(['discarded'])
      expect(() => used?.resource).toThrow(LeaseReleasedError)
    })
  })

  test('discards the resource 3 seconds after an abort that came after `decide`, if the work does not settle', async () => {
    const { pool, ended } = openPool()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const controller = new AbortController()
    let fail: (error: Error) => void = () => undefined
    const work: Work<Session, void> = (_resource, _lease, decide) => {
      decide()
      controller.abort(new Error('enough'))
      return new Promise((_, reject) => (fail = reject))
    }
    const working = useUntilAborted(pool, controller.signal, cancel, work)
    working.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(2_999)
    expect(pool.stats.borrowed).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(pool.stats).toMatchObject({ borrowed: 0, idle: 0, size: 0 })
    expect(ended).toEqual(['discarded'])
    fail(new Error('unknown'))
    await expect(working).rejects.toThrow('unknown')
  })

  test('does not touch a resource that its holder has ended in the meantime', async () => {
    const { pool, ended } = openPool()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const controller = new AbortController()
    const working = useUntilAborted(pool, controller.signal, cancel, (_, lease) => {
      lease.release()
      controller.abort(new Error('enough'))
      return new Promise<never>(() => undefined)
    })
    await expect(working).rejects.toThrow('enough')
    await vi.advanceTimersByTimeAsync(3_000)
    expect(pool.stats).toMatchObject({ borrowed: 0, idle: 1 })
    expect(ended).toEqual([])
  })

  test('discards the resource if the running statement cannot be cancelled', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    await cancelOrEnd(lease, () => Promise.reject(new Error('no answer')))
    expect(() => lease.release()).toThrow(LeaseReleasedError)
    expect(pool.stats.borrowed).toBe(0)
    await expect.poll(() => ended).toEqual(['discarded'])
  })

  test('destroys the resource through another implementation of a lease', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    const destroy = (error?: Error): void => lease.destroy(error)
    const another = { destroy } as Lease<Session>
    await cancelOrEnd(another, () => Promise.reject(new Error('no answer')))
    await expect.poll(() => ended).toEqual(['destroyed'])
  })
})
