import { execFile, spawnSync } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inChild } from '../src/index.ts'
import { ask, connected, startEchoServer } from './helpers.ts'

let server: Awaited<ReturnType<typeof startEchoServer>>
beforeAll(async () => {
  server = await startEchoServer()
})
afterAll(() => server.stop())

test('timers, immediates and ticks run in the child', async () => {
  const order = await inChild(async () => {
    const seen: string[] = []
    await Promise.all([
      sleep(5).then(() => seen.push('timer')),
      new Promise<void>((resolve) => setImmediate(resolve)).then(() => seen.push('immediate')),
      new Promise<void>((resolve) => process.nextTick(resolve)).then(() => seen.push('tick')),
    ])
    return seen
  })
  expect(order).toEqual(['tick', 'immediate', 'timer'])
})

test('the child can resolve host names', async () => {
  const addresses = await inChild(() => Promise.all([1, 2, 3].map(() => lookup('localhost'))))
  expect(addresses.map(({ family }) => family > 0)).toEqual([true, true, true])
})

test('the thread pool works in the child, also after the parent has used it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-'))
  const file = join(folder, 'file')
  await writeFile(file, 'parent')
  const read = await inChild(async () => {
    const before = await readFile(file, 'utf8')
    await writeFile(file, 'child')
    const key = await promisify(pbkdf2)('password', 'salt', 1000, 16, 'sha256')
    const text = await promisify(gunzip)(gzipSync('zipped'))
    return { before, key: key.length, text: text.toString() }
  })
  expect(read).toEqual({ before: 'parent', key: 16, text: 'zipped' })
  expect(await readFile(file, 'utf8')).toBe('child')
  rmSync(folder, { recursive: true })
})

test('the child can open connections and servers', async () => {
  const heard = await inChild(async () => {
    const own = createServer((socket) => socket.end('from the child')).listen(0, '127.0.0.1')
    await once(own, 'listening')
    const socket = await connected((own.address() as AddressInfo).port)
    const [greeting] = (await once(socket, 'data')) as [Buffer]
    return [greeting.toString(), await ask(await connected(server.port), 'echo')]
  })
  expect(heard).toEqual(['from the child', 'echo'])
})

test('the child can start programs', async () => {
  const output = await inChild(async () => {
    const { stdout } = await promisify(execFile)('echo', ['hello'])
    return stdout + spawnSync('echo', ['world']).stdout.toString()
  })
  expect(output).toBe('hello\nworld\n')
})

test('the child compiles and collects garbage without V8’s helper threads', async () => {
  const sum = await inChild(async () => {
    let kept: number[][] = []
    let total = 0
    for (let round = 0; round < 300; round += 1) {
      kept.push(Array.from({ length: 2000 }, (_, i) => i + round))
      if (kept.length > 50) kept = kept.slice(25)
      // oxlint-disable-next-line typescript/no-implied-eval -- a function that V8 has never seen
      const add = new Function('list', 'let s = 0; for (const x of list) s += x; return s') as (
        list: number[],
      ) => number
      for (const list of kept) total += add(list)
    }
    globalThis.gc?.()
    await sleep(1)
    return total
  })
  expect(sum).toBeGreaterThan(0)
})
