import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createForkSafePool, type Lease, LeaseReleasedError } from '../src/index.ts'
import {
  copyError,
  discardLease,
  hideSecrets,
  isCertificateError,
  isUrl,
  keepListener,
  keepListeners,
  keepsListeners,
  type KeptListeners,
  openUntilAborted,
  Outage,
  refusePoolOptions,
  removeOtherListeners,
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

describe('refusePoolOptions', () => {
  const names = { client: ['max'], pools: ['idleTimeoutMillis', 'idleTimeout', 'allowExitOnIdle'] }

  test('throws for an option of the pool, and says where it belongs', () => {
    expect(() => refusePoolOptions({ min: 1 })).toThrow(
      'Expected no `min` in `connection`: it is an option of the pool, so put it next to `connection`.',
    )
  })

  test('throws for an option of the client’s own pool, and says what it is called here', () => {
    expect(() => refusePoolOptions({ idleTimeout: 1 }, names)).toThrow(
      /^Expected no `idleTimeout` in `connection`: it has no effect there, but is an option of the pool: .*`idleTimeoutMillis`/,
    )
    expect(() => refusePoolOptions({ ownPool: true }, { pools: ['ownPool'] })).toThrow(
      /^Expected no `ownPool` in `connection`: it has no effect there\.$/,
    )
  })

  test('accepts options of the client, absent options, and what is not a configuration', () => {
    expect(() => refusePoolOptions({ max: 1, host: 'a', min: undefined }, names)).not.toThrow()
    expect(() => refusePoolOptions({ host: 'a' })).not.toThrow()
    expect(() => refusePoolOptions('server://a?min=1')).not.toThrow()
  })
})

test('isUrl recognises a URL of any realm', () => {
  expect(isUrl(new URL('server://a'))).toBe(true)
  expect(isUrl({ [Symbol.toStringTag]: 'URL' })).toBe(true)
  expect(isUrl('server://a')).toBe(false)
  expect(isUrl(undefined)).toBe(false)
})

describe('hideSecrets', () => {
  test('removes URLs from all texts of an error, and keeps links to web pages', () => {
    const details = Symbol('details')
    const error = Object.assign(
      new Error('Bad server://user:secret@host, see https://example.org/'),
      {
        address: 'server://user:secret@host',
        [details]: 'https://user:secret@host',
        port: 1,
      },
    )
    expect(hideSecrets(error)).toBe(error)
    expect(error.message).toBe('Bad [URL] see https://example.org/')
    expect(error).toMatchObject({ address: '[URL]', [details]: '[URL]', port: 1 })
    expect(error.stack).not.toContain('secret')
    expect(Object.keys(error)).toEqual(['address', 'port'])
  })

  test('removes the input of a failed parse', async () => {
    const parse = async (): Promise<URL> => new URL('user:secret@host', 'secret')
    const error = hideSecrets(await parse().catch((thrown: unknown) => thrown))
    expect(error).toMatchObject({ code: 'ERR_INVALID_URL' })
    expect(inspect(error)).not.toContain('secret')
  })

  test('includes the causes and the collected errors, also if they form a circle', () => {
    const inner = new Error('server://inner:secret@host')
    const cause = new AggregateError([inner, 'text'], 'server://cause:secret@host')
    inner.cause = cause
    const error = hideSecrets(new Error('outer', { cause }))
    expect(inspect(error, { depth: Infinity })).not.toContain('secret')
    expect([cause.message, inner.message]).toEqual(['[URL]', '[URL]'])
  })

  test('returns other values', () => {
    expect(hideSecrets('server://a')).toBe('server://a')
    expect(hideSecrets(undefined)).toBeUndefined()
  })
})

describe('kept listeners', () => {
  function keeping(removable?: KeptListeners) {
    const emitter = new EventEmitter()
    const calls: string[] = []
    const own = (): void => void calls.push('own')
    const first = (): void => void calls.push('first')
    emitter.on('end', own)
    emitter.once('end', first)
    keepListeners(emitter, removable)
    const other = (): void => void calls.push('other')
    const emitted = (): string[] => {
      emitter.emit('end')
      return calls.splice(0)
    }
    return { emitter, own, first, other, emitted }
  }

  test.each([
    ['all events', []],
    ['one event', ['end']],
  ])('survive `removeAllListeners` of %s', (_, events) => {
    const { emitter, other, emitted } = keeping()
    emitter.on('end', other).once('end', other)
    emitter.on('data', other)
    expect(emitter.removeAllListeners(...events)).toBe(emitter)
    expect(emitter.listenerCount('data')).toBe(events.length)
    expect(emitted()).toEqual(['own', 'first'])
    expect(emitted()).toEqual(['own'])
  })

  test('survive `off` and `removeListener`', () => {
    const { emitter, own, first, other, emitted } = keeping()
    emitter.on('end', other).on('end', other)
    expect(emitter.off('end', own).removeListener('end', first).off('end', other)).toBe(emitter)
    expect(emitted()).toEqual(['own', 'first', 'other'])
    expect(emitted()).toEqual(['own', 'other'])
  })

  test('leave all other events alone when the name of the event is `undefined`', () => {
    const { emitter, other, emitted } = keeping()
    emitter.on('end', other)
    emitter.removeAllListeners(undefined)
    expect(emitted()).toEqual(['own', 'first', 'other'])
  })

  test('are removed if the client relies on it', () => {
    const { emitter, own, emitted } = keeping({ byOff: true, byEvent: ['data'] })
    const { emitter: another, emitted: emittedByAnother } = keeping({ byEvent: ['end'] })
    emitter.off('end', own)
    expect(emitted()).toEqual(['first'])
    another.removeAllListeners('end')
    expect(emittedByAnother()).toEqual([])
  })

  test('include one that is added later', () => {
    const { emitter, other, emitted } = keeping()
    emitter.on('end', other)
    keepListener(emitter, other)
    emitter.removeAllListeners()
    expect(emitted()).toEqual(['own', 'first', 'other'])
    expect(keepsListeners(emitter)).toBe(true)
  })

  test('do not exist for an emitter that none were kept for', () => {
    const emitter = new EventEmitter()
    const listener = (): void => undefined
    emitter.on('end', listener)
    expect(keepsListeners(emitter)).toBe(false)
    keepListener(emitter, listener)
    removeOtherListeners(emitter)
    expect(emitter.listenerCount('end')).toBe(0)
  })
})
