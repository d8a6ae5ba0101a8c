import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { pnpm } from '../pnpm.mjs'
import { type Command, root } from '../tools.mjs'

/** Packages are installed, and forty checks run, each with real forks. */
const MINUTES = 5 * 60_000

/** Runs a command, outside of the environment of this test, and tells what it printed. */
async function run({ command, args, env, cwd }: Command): Promise<string> {
  const inherited = Object.entries(env).filter(([name]) => !/^(VITEST|NODE_OPTIONS$)/.test(name))
  const options = { cwd, env: Object.fromEntries(inherited), maxBuffer: 2 ** 26 }
  try {
    const { stdout } = await promisify(execFile)(command, args, options)
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

it(
  'a copy of the driver template builds, and passes the suite, with the packages as they are published',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'forksafe-template-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const copy = join(folder, 'driver')
    cpSync(join(root, 'examples/driver-template'), copy, {
      recursive: true,
      filter: (path) => !/node_modules|dist/.test(path.slice(root.length)),
    })
    const here = async (...args: string[]) => run({ ...(await pnpm(...args)), cwd: copy })

    const ours = ['--filter', '@forksafe/core', '--filter', '@forksafe/testkit']
    await run({ ...(await pnpm(...ours, 'pack', '--pack-destination', folder)), cwd: root })
    const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
    expect(tarballs).toHaveLength(2)
    const overrides = Object.fromEntries(
      tarballs.map((name) => {
        const [, local] = /^forksafe-(\w+)-/.exec(name) ?? []
        return [`@forksafe/${local}`, `file:${join(folder, name)}`]
      }),
    )
    const manifest = join(copy, 'package.json')
    const original = JSON.parse(readFileSync(manifest, 'utf8')) as object
    writeFileSync(manifest, JSON.stringify({ ...original, pnpm: { overrides } }))

    await here('install', '--ignore-workspace', '--prefer-offline', '--ignore-scripts')
    await here('run', 'build')
    expect(readdirSync(join(copy, 'dist'))).toContain('index.d.ts')
    await here('run', 'typecheck')
    const report = join(folder, 'report.json')
    await here('exec', 'vitest', 'run', '--reporter=json', `--outputFile=${report}`)
    const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number
      numTotalTests: number
    }
    expect(numPassedTests).toBe(numTotalTests)
    expect(numTotalTests).toBeGreaterThan(40)
  },
  MINUTES,
)
