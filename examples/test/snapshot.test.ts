import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const [major = 0] = process.versions.node.split('.').map(Number)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forksafe-example-'))
  // The server's user must be able to enter the folder.
  chmodSync(folder, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true }))

describe.skipIf(major < 22)(
  'after Node 20, which cannot load pg while it builds a snapshot',
  () => {
    test(
      'the example builds, starts, reports its times, and leaves nothing behind',
      { timeout: 120_000 },
      async () => {
        // The built program. `npm test` builds it first.
        const program = fileURLToPath(new URL('../dist/snapshot/main.js', import.meta.url))
        const env = { ...process.env, TMPDIR: folder }
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], { env })
        expect(stderr).toBe('')
        expect(stdout).toMatch(/^ {2}cold +\d+ ms$/m)
        expect(stdout).toMatch(/^ {2}from a snapshot +\d+ ms$/m)
        expect(stdout).toContain('8 processes that started at once had 8 sessions of their own.')
        expect(readdirSync(folder)).toEqual([])
      },
    )
  },
)
