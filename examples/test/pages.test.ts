import { createForkSafePool, type PoolOptions } from '@forksafe/core'
import { findChromium } from '@forksafe/scripts/chromium'
import { fork, inChild } from '@forksafe/testkit'
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { ChromiumOptions, ChromiumPage } from '../src/pages/chromium.ts'
import { pageDriver } from '../src/pages/driver.ts'

const INSTALL_MILLIS = 300_000
// Starting Chromium takes time on a busy machine.
vi.setConfig({ testTimeout: 120_000 })
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
let connection: ChromiumOptions
beforeAll(async () => {
  // A killed Chromium leaves a folder beside its profile.
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-pages-'))
  vi.stubEnv('TMPDIR', folder)
  connection = { executablePath: await findChromium(), args }
  return () => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true, maxRetries: 10 })
  }
}, INSTALL_MILLIS)

function open(options: Partial<PoolOptions<ChromiumOptions>> = {}) {
  const patience = {
    createTimeoutMillis: 60_000,
    acquireTimeoutMillis: 60_000,
    destroyTimeoutMillis: 60_000,
  }
  const pool = createForkSafePool(pageDriver, { connection, max: 1, ...patience, ...options })
  onTestFinished(() => pool.close({ deadlineMillis: 0 }))
  return pool
}

function pidOf(pool: ReturnType<typeof open>): Promise<number | undefined> {
  return pool.use(({ process }) => process.pid)
}

/** Returns the kernel's names of the sockets to a Chromium. Their copies in a forked child have the same names. */
function pipesOf({ process }: ChromiumPage): string[] {
  const [, , , ...pipes] = process.stdio as unknown as { _handle: { fd: number } }[]
  return pipes.map(({ _handle }) => readlinkSync(`/proc/self/fd/${_handle.fd}`))
}

/** Returns how many of them this process has open. */
function countHeld(names: readonly string[]): number {
  const paths = readdirSync('/proc/self/fd').map((fd) => `/proc/self/fd/${fd}`)
  const held = new Set(paths.filter((path) => existsSync(path)).map((path) => readlinkSync(path)))
  return names.filter((name) => held.has(name)).length
}

test('a holder finds no state of the previous one in the same Chromium', async () => {
  const pool = open()
  const first = await pidOf(pool)
  await pool.page(async (page) => {
    await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: 'page' }))
    await page.goto('http://pages.test/')
    await page.evaluate('document.cookie = "who=first"; localStorage.who = "first"; self.who = 1')
  })
  const seen = await pool.page(async (page) => {
    await page.route('**/*', (route) => route.fulfill({ contentType: 'text/html', body: 'page' }))
    await page.goto('http://pages.test/')
    return page.evaluate('[document.cookie, localStorage.who, self.who]')
  })
  expect(seen).toEqual(['', undefined, undefined])
  expect(await pidOf(pool)).toBe(first)
})

test('HTML becomes a PDF', async () => {
  const pdf = await open().pdf('<h1>One page</h1>')
  expect(pdf.toString('latin1')).toMatch(/^%PDF-/)
})

test('a killed Chromium is replaced, and its folder is removed', async () => {
  const pool = open()
  const ends: unknown[] = []
  pool.on('destroy', ({ reason, error }) => ends.push(reason, String(error)))
  const lease = await pool.acquire()
  const { process } = lease.resource
  const [, folder = ''] = /--user-data-dir=(\S+)/.exec(process.spawnargs.join(' ')) ?? []
  expect(existsSync(folder)).toBe(true)
  process.kill('SIGKILL')
  expect(await pool.page((page) => page.evaluate('1 + 1'))).toBe(2)
  expect(() => lease.resource).toThrow('its resource was lost')
  expect(ends).toEqual(['lost', 'Error: Chromium ended (SIGKILL).'])
  // Its helper processes may outlive it for a while, and keep its pipes open.
  await expect.poll(() => existsSync(folder), { timeout: 30_000 }).toBe(false)
})

test('without a Chromium, all callers are rejected at once', async () => {
  const pool = open({ connection: { executablePath: '/nowhere/chromium' } })
  await expect(pool.acquire()).rejects.toMatchObject({
    code: 'FORKSAFE_CREATE_FAILED',
    cause: { code: 'ENOENT' },
  })
})

test('a forked child discards the pipes and starts its own Chromium, and the parent continues', async () => {
  const pool = open()
  const lease = await pool.acquire()
  const { page } = lease.resource
  await page.setContent('<title>the parent’s</title>')
  await page.evaluate('self.count = 1')
  const pipes = pipesOf(lease.resource)

  const child = await inChild(
    async () => {
      const held = countHeld(pipes)
      const pid = await pidOf(pool)
      const title = await pool.page((page) => page.title())
      await pool.close()
      return { held, pid, title }
    },
    { timeoutMillis: 60_000 },
  )

  expect(child).toMatchObject({ held: 0, title: '' })
  expect(child.pid).not.toBe(lease.resource.process.pid)
  expect(countHeld(pipes)).toBe(2)
  expect(await page.title()).toBe('the parent’s')
  expect(await page.evaluate('++self.count')).toBe(2)
  lease.release()
})

test('a child that still has the pipes open does not keep the parent’s Chromium alive', async () => {
  const pool = open()
  const { process } = await pool.use((chromium) => chromium)
  // A busy child neither notices the fork nor reads.
  const busy = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  const child = await fork(busy, { afterFork: false, timeoutMillis: 110_000 })
  await pool.close()
  expect(process.exitCode).toBe(0)
  child.kill()
  await expect(child.result).rejects.toThrow('SIGKILL')
})
