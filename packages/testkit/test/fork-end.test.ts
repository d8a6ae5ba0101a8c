import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { ChildExitError, ChildTimeoutError, fork, inChild } from '../src/index.ts'
import { blockFor, failure, isRunning, livePid, processState } from './helpers.ts'

test('a child that exceeds its timeout is killed, and the error contains the timeout', async () => {
  const child = await fork(() => sleep(60_000), { timeoutMillis: 150 })
  const error = await failure(child.result)
  expect(error).toBeInstanceOf(ChildTimeoutError)
  expect(error).toMatchObject({ code: 'ERR_CHILD_TIMEOUT', timeoutMillis: 150 })
  expect(processState(child.pid)).toBe('gone')
})

test('a child in an endless loop is killed at its timeout', async () => {
  const endless = () => {
    for (;;);
  }
  await expect(inChild(endless, { timeoutMillis: 150 })).rejects.toThrow(
    'sent no result within 150 ms and was killed',
  )
})

test('a result that arrives in time counts, even if the parent reads it late', async () => {
  const child = await fork(() => 'in time', { timeoutMillis: 50 })
  blockFor(150)
  expect(await child.result).toBe('in time')
})

test('a child that is killed by a signal is reported with the signal', async () => {
  const error = await failure(inChild(() => process.kill(livePid(), 'SIGTERM') && sleep(1000)))
  expect(error).toBeInstanceOf(ChildExitError)
  expect(error).toMatchObject({ signal: 'SIGTERM', exitCode: null, code: 'ERR_CHILD_EXIT' })
})

test('a child can be killed at any time, more than once', async () => {
  const child = await fork(() => sleep(60_000))
  child.kill('SIGINT')
  child.kill()
  await expect(child.result).rejects.toThrow(`The forked child ${child.pid} was killed by SIG`)
  child.kill()
})

test('a child that calls process.exit is reported with its code', async () => {
  await expect(inChild(() => process.exit(3))).rejects.toMatchObject({ exitCode: 3, signal: null })
})

test('work that can never settle rejects, at once if the event loop is empty', async () => {
  const never = inChild(() => new Promise(() => undefined), { timeoutMillis: 2000 })
  await expect(never).rejects.toThrow(/^The work can never settle|sent no result/)
})

test('a grandchild does not outlive the child', async () => {
  const grandchild = await inChild(async () => (await fork(() => sleep(60_000))).pid)
  await expect.poll(() => isRunning(grandchild)).toBe(false)
})

test('a daemon outlives its parent, but not its timeout', async () => {
  const daemon = await inChild(async () => {
    const options = { outlivesParent: true, timeoutMillis: 1_000 }
    return (await fork(() => sleep(60_000), options)).pid
  })
  expect(isRunning(daemon)).toBe(true)
  await expect.poll(() => isRunning(daemon)).toBe(false)
})

test('when a child is killed, its own children end too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const note = join(folder, 'pid')
  const child = await fork(async () => {
    const grandchild = await fork(() => sleep(60_000))
    writeFileSync(note, String(grandchild.pid))
    await sleep(60_000)
  })
  const grandchild = await vi.waitFor(() => {
    const pid = Number(readFileSync(note, 'utf8'))
    expect(isRunning(pid)).toBe(true)
    return pid
  }, 20_000)
  child.kill()
  await expect(child.result).rejects.toThrow('SIGKILL')
  await expect.poll(() => isRunning(grandchild)).toBe(false)
  rmSync(folder, { recursive: true })
})
