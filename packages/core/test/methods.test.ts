import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createForkSafePool, type Lease, LeaseReleasedError } from '../src/index.ts'
import {
  copyError,
  discardLease,
  isCertificateError,
  openUntilAborted,
  Outage,
} from '../src/methods/index.ts'

describe('discardLease', () => {
  function openPool() {
    const ended: string[] = []
    const pool = createForkSafePool(
      {
        name: 'fake',
        create: async () => ({}),
        destroy: () => void ended.push('destroyed'),
        discard: () => void ended.push('discarded'),
      },
      { max: 1 },
    )
    onTestFinished(() => pool.close({ deadlineMillis: 0 }))
    return { pool, ended }
  }

  test('ends a lease and discards its resource without a goodbye', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    discardLease(lease, new Error('no answer'))
    expect(() => lease.resource).toThrow(LeaseReleasedError)
    expect(pool.stats.borrowed).toBe(0)
    await expect.poll(() => ended).toEqual(['discarded'])
  })

  test('leaves a resource alone whose lease has ended', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    lease.release()
    discardLease(lease, new Error('no answer'))
    expect(pool.stats).toMatchObject({ borrowed: 0, idle: 1 })
    expect(ended).toEqual([])
  })

  test('destroys the resource of a lease that the pool did not make', async () => {
    const { pool, ended } = openPool()
    const lease = await pool.acquire()
    const destroy = (error?: Error): void => lease.destroy(error)
    discardLease({ destroy } as Lease<object>, new Error('no answer'))
    await expect.poll(() => ended).toEqual(['destroyed'])
  })
})

describe('openUntilAborted', () => {
  test('returns what was opened, and ignores an abort after that', async () => {
    const controller = new AbortController()
    const letGo = vi.fn<() => void>()
    expect(await openUntilAborted(controller.signal, letGo, async () => 'open')).toBe('open')
    controller.abort()
    expect(letGo).not.toHaveBeenCalled()
  })

  test('lets go at once when the signal aborts, and rejects as the opening does', async () => {
    const controller = new AbortController()
    let fail!: (error: Error) => void
    const letGo = vi.fn<() => void>(() => fail(new Error('let go')))
    const open = (): Promise<void> => new Promise((_, reject) => (fail = reject))
    const opening = openUntilAborted(controller.signal, letGo, open)
    controller.abort()
    expect(letGo).toHaveBeenCalledTimes(1)
    await expect(opening).rejects.toThrow('let go')
  })

  test('lets go when the opening fails', async () => {
    const letGo = vi.fn<() => void>()
    const open = (): Promise<never> => Promise.reject(new Error('refused'))
    const opening = openUntilAborted(new AbortController().signal, letGo, open)
    await expect(opening).rejects.toThrow('refused')
    expect(letGo).toHaveBeenCalledTimes(1)
  })

  test('lets go and opens nothing if the signal has already aborted', async () => {
    const letGo = vi.fn<() => void>()
    const open = vi.fn<() => Promise<undefined>>(async () => undefined)
    const opening = openUntilAborted(AbortSignal.abort(new Error('enough')), letGo, open)
    await expect(opening).rejects.toThrow('enough')
    expect(letGo).toHaveBeenCalledTimes(1)
    expect(open).not.toHaveBeenCalled()
  })
})

describe('isCertificateError', () => {
  test.each([
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  ])('accepts %s', (code) => {
    expect(isCertificateError(Object.assign(new Error('refused'), { code }))).toBe(true)
  })

  test.each([undefined, null, 'CERT_HAS_EXPIRED', new Error('CERT_HAS_EXPIRED'), { code: 1 }])(
    'rejects %o',
    (error) => {
      expect(isCertificateError(error)).toBe(false)
    },
  )

  test.each(['ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT'])('rejects %s', (code) => {
    expect(isCertificateError(Object.assign(new Error('lost'), { code }))).toBe(false)
  })
})

describe('Outage', () => {
  function openPool() {
    const outage = new Outage()
    let creates = 0
    let isDown = true
    const pool = createForkSafePool(
      {
        name: 'fake',
        create: async () => {
          creates++
          if (isDown) throw new Error('down')
          outage.succeeded()
          return {}
        },
        destroy: () => undefined,
        discard: () => undefined,
        classify: (error) => outage.classify(error),
      },
      { max: 3, backoff: { minMillis: 1, maxMillis: 1 } },
    )
    outage.watch(pool)
    onTestFinished(() => pool.close({ deadlineMillis: 0 }))
    const acquire = async () => {
      const { signal } = outage
      return pool.acquire({ signal }).catch((error: unknown) => {
        throw outage.errorFor(error, signal)
      })
    }
    const start = () => {
      isDown = false
    }
    return { outage, acquire, creates: () => creates, start }
  }

  async function fail(acquire: () => Promise<unknown>, times: number): Promise<void> {
    for (let i = 0; i < times; i++) await expect(acquire()).rejects.toThrow('down')
  }

  test('rejects one caller for each of the first four failures', async () => {
    const { acquire, creates, outage } = openPool()
    await fail(acquire, 4)
    expect(creates()).toBe(4)
    expect(outage.isOn).toBe(false)
    expect(outage.lastError).toMatchObject({ message: 'down' })
  })

  test('then rejects all waiting callers for each failure, each with an error of its own', async () => {
    const { acquire, creates, outage } = openPool()
    await fail(acquire, 4)
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map(acquire))
    const errors = results.map((result) => (result as PromiseRejectedResult).reason as Error)
    expect(errors.map(({ message }) => message)).toContain('down')
    expect(new Set(errors).size).toBe(5)
    expect(outage.isOn).toBe(true)
    const before = creates()
    await Promise.allSettled(Array.from({ length: 20 }, acquire))
    expect(creates()).toBe(before + 1)
  })

  test('ends with the first success', async () => {
    const { acquire, outage, start } = openPool()
    await fail(acquire, 8)
    start()
    await acquire()
    expect(outage.isOn).toBe(false)
    expect(outage.lastError).toBeUndefined()
  })
})

test('copyError keeps the class and the properties of an error, and returns other values', () => {
  const error = Object.assign(new TypeError('no'), { code: 'ENO' })
  const copy = copyError(error)
  expect(copy).not.toBe(error)
  expect(copy).toBeInstanceOf(TypeError)
  expect(copy).toMatchObject({ message: 'no', code: 'ENO', stack: error.stack })
  expect(copyError('no')).toBe('no')
})
