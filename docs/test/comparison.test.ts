import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { root } from '../build/repository.mjs'

/** The folders in which the compared pools are installed. */
const homes = new Map([
  ...['generic-pool', 'lightning-pool', 'pg-pool', 'tarn'].map(
    (name) => [name, join(root, 'bench/node_modules', name)] as const,
  ),
  ['mysql2', join(root, 'packages/driver-mysql/node_modules/mysql2')],
])
const page = readFileSync(join(root, 'docs/comparison.md'), 'utf8')
const claim =
  /\(https:\/\/app\.unpkg\.com\/([\w-]+)@([\d.]+)\/files\/([^#]+)#L(\d+)\s+(?:"((?:\\"|[^"])*)"|'([^']*)')\)/g

test('each line of another pool that the comparison links to contains the quoted code', () => {
  const claims = [...page.matchAll(claim)]
  expect(claims.length).toBe(page.split('https://app.unpkg.com/').length - 1)
  expect(claims.length).toBeGreaterThan(15)
  for (const [link, name = '', version, path = '', line, double, single] of claims) {
    const home = homes.get(name) ?? ''
    const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest
    expect(manifest.version, link).toBe(version)
    const lines = readFileSync(join(home, path), 'utf8').split('\n')
    const quote = (double ?? single ?? '').replaceAll('\\"', '"')
    expect(quote.length, link).toBeGreaterThan(4)
    expect(lines[Number(line) - 1], link).toContain(quote)
  }
})

test.each([...homes])('%s does not check its process', (_, home) => {
  const sources = poolSources(home)
  expect(sources.length).toBeGreaterThan(1_000)
  expect(sources).not.toMatch(/process\.p?pid|startupSnapshot|WIPEONFORK/i)
})

test.each(['generic-pool', 'lightning-pool', 'tarn', 'mysql2'])(
  '%s has no maximum lifetime',
  (name) => {
    expect(poolSources(homes.get(name) ?? '')).not.toMatch(/max_?(life|age)|lifetime/i)
  },
)

test('a second release takes the resource from its next holder, in tarn', async () => {
  const { Pool } = createRequire(join(root, 'bench/package.json'))('tarn') as Tarn
  const pool = new Pool({ create: async () => ({}), destroy: () => {}, min: 0, max: 1 })
  const first = await pool.acquire().promise
  pool.release(first)
  const second = await pool.acquire().promise
  pool.release(first)
  expect(await pool.acquire().promise).toBe(second)
  pool.release(second)
  await pool.destroy()
})

test('a second release takes the resource from its next holder, in lightning-pool', async () => {
  const entry = join(homes.get('lightning-pool') ?? '', 'index.js')
  const { createPool } = (await import(pathToFileURL(entry).href)) as Lightning
  const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: 1 })
  const first = await pool.acquire()
  await pool.releaseAsync(first)
  const second = await pool.acquire()
  await pool.releaseAsync(first)
  expect(await pool.acquire()).toBe(second)
  await pool.releaseAsync(second)
  await pool.close(0)
})

interface Manifest {
  readonly version: string
}
interface Tarn {
  readonly Pool: new (options: object) => {
    acquire(): { readonly promise: Promise<object> }
    release(resource: object): boolean
    destroy(): Promise<unknown>
  }
}
interface Lightning {
  createPool(
    this: void,
    factory: object,
    options: object,
  ): {
    acquire(): Promise<object>
    releaseAsync(resource: object): Promise<void>
    close(graceMillis: number): Promise<void>
  }
}

/** Reads all sources of a pool. For mysql2, only those of its pool. */
function poolSources(home: string): string {
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && !file.includes('node_modules') && !/test/.test(file))
    .filter((file) => !home.endsWith('mysql2') || /lib\/.*pool[\w.]*$/.test(file))
    .map((file) => join(home, file))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
}
