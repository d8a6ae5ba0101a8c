import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { inChild, startRecordingProxy } from '../src/index.ts'
import { isRunning } from './helpers.ts'

/** Returns the child processes of this one. */
function started(): number[] {
  const pids = readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').trim()
  return pids === '' ? [] : pids.split(' ').map(Number)
}

test('a stopped proxy leaves no process, and stop can be repeated', async () => {
  const before = started()
  const proxy = await startRecordingProxy({ port: 1 })
  expect(started()).toHaveLength(before.length + 1)
  await Promise.all([proxy.stop(), proxy.stop()])
  await proxy.stop()
  expect(started()).toEqual(before)
})

test('a proxy is not stopped by a forked child', async () => {
  await using proxy = await startRecordingProxy({ port: 1 })
  await inChild(() => proxy.stop())
  expect(await proxy.records()).toEqual([])
})

test('a request to a stopped proxy rejects with an error that names it', async () => {
  const proxy = await startRecordingProxy({ port: 1 })
  await proxy.stop()
  await expect(proxy.mark()).rejects.toThrow('No answer of the recording proxy (`mark`)')
})

test('a proxy ends with the process that started it, no matter how that ends', async () => {
  const pids = await inChild(async () => {
    await startRecordingProxy({ port: 1 })
    return readFileSync('/proc/thread-self/children', 'latin1').trim().split(' ').map(Number)
  })
  expect(pids).toHaveLength(1)
  await expect.poll(() => pids.map(isRunning)).toEqual([false])
})
