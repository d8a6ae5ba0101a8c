import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import { onAbort } from '../src/index.ts'
import { FakeDriver } from './support/fake-driver.ts'
import { openPool } from './support/pools.ts'
import { errorOf } from './support/time.ts'
import { uncaughtIn } from './support/uncaught.ts'

test('all waits for one signal are notified once of its abort, and share one listener', () => {
  const controller = new AbortController()
  const { signal } = controller
  const runs = Array.from({ length: 20 }, () => vi.fn<() => void>())
  for (const run of runs) onAbort(signal, run)
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort()
  for (const run of runs) expect(run).toHaveBeenCalledOnce()
})

test('a stopped wait is not notified, and the last one removes the listener', () => {
  const controller = new AbortController()
  const { signal } = controller
  const run = vi.fn<() => void>()
  const stops = [onAbort(signal, run), onAbort(signal, run)]
  stops[0]?.()
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  stops[1]?.()
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  controller.abort()
  expect(run).not.toHaveBeenCalled()
})

test('stopping a wait twice does not stop another', () => {
  const controller = new AbortController()
  const { signal } = controller
  const stopFirst = onAbort(signal, () => undefined)
  stopFirst()
  const run = vi.fn<() => void>()
  const stopSecond = onAbort(signal, run)
  stopFirst()
  const stopThird = onAbort(signal, () => undefined)
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  stopThird()
  controller.abort()
  expect(run).toHaveBeenCalledOnce()
  stopSecond()
})

test('a callback that throws does not affect the others, and its error is uncaught', async () => {
  const pool = openPool(new FakeDriver(), { max: 1 })
  const lease = await pool.acquire()
  const controller = new AbortController()
  const errors = await uncaughtIn(async () => {
    onAbort(controller.signal, () => {
      throw new Error('a bug')
    })
    const waiting = errorOf(pool.acquire({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await waiting).toEqual(new Error('enough'))
  })
  expect(errors).toEqual([new Error('a bug')])
  lease.release()
  await pool.close()
})

test('a signal that has already aborted is not waited for', () => {
  const run = vi.fn<() => void>()
  const stop = onAbort(AbortSignal.abort(), run)
  stop()
  expect(run).not.toHaveBeenCalled()
})
