import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build as bundle } from 'esbuild'
import { onTestFinished } from 'vitest'
import type { Answers, Question } from '../snapshot/app.ts'

const run = promisify(execFile)
const packageFolder = fileURLToPath(new URL('../..', import.meta.url))
/** That some modules are "not yet fully verified" in a snapshot, and that `queryObjects` is new, is known. */
const QUIET = { NODE_NO_WARNINGS: '1', NODE_PATH: '' }
/** So that a process which starts from a snapshot may fork. */
const FORKABLE = ['--v8-pool-size=1', '--single-threaded']
/** Where Node looks whether it is a single executable. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
const PATIENCE_MILLIS = 60_000

export type Env = Record<string, string>

/** A folder for bundles and snapshots, inside the package, so that koffi is found from there. */
export class Workshop {
  readonly #folder: string
  #built = 0

  constructor() {
    const cache = join(packageFolder, 'node_modules', '.cache')
    mkdirSync(cache, { recursive: true })
    this.#folder = mkdtempSync(join(cache, 'snapshot-'))
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  /** One script of a program in `test/snapshot`, of the sources as they are now; or a module, to be loaded later. */
  async bundle(program: string, isModule = false): Promise<string> {
    const outfile = this.path(`${program}.cjs`)
    await bundle({
      entryPoints: [join(packageFolder, 'test', 'snapshot', `${program}.ts`)],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node22',
      conditions: ['@forksafe/source'],
      external: ['pg-native', 'koffi'],
      alias: { '@forksafe/driver-pg': join(packageFolder, 'src', 'index.ts') },
      logOverride: { 'empty-import-meta': 'silent' },
      ...(isModule
        ? { format: 'cjs', define: { 'import.meta.url': JSON.stringify(pathToFileURL(outfile)) } }
        : { format: 'iife' }),
    })
    return outfile
  }

  /** Runs the builder, and gives the snapshot's file. */
  async build(script: string, env: Env): Promise<string> {
    const blob = this.path(`${++this.#built}.blob`)
    const args = [...FORKABLE, '--snapshot-blob', blob, '--build-snapshot', script]
    await this.#run(args, env)
    return blob
  }

  /** The same, in a single executable, which needs no Node. */
  async buildExecutable(script: string, env: Env): Promise<string> {
    const executable = this.path('app')
    const config = this.path('sea.json')
    const atOnce = Number.parseInt(process.versions.node, 10) >= 26
    const output = atOnce ? executable : this.path('sea.blob')
    const disableExperimentalSEAWarning = true
    writeFileSync(
      config,
      JSON.stringify({ main: script, output, useSnapshot: true, disableExperimentalSEAWarning }),
    )
    await this.#run([atOnce ? '--build-sea' : '--experimental-sea-config', config], env)
    if (atOnce) return executable
    copyFileSync(process.execPath, executable)
    const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js')
    const args = [postject, executable, 'NODE_SEA_BLOB', output, '--sentinel-fuse', FUSE]
    await this.#run(args, env)
    return executable
  }

  async #run(args: string[], env: Env): Promise<void> {
    await run(process.execPath, args, {
      env: { ...process.env, ...QUIET, ...env },
      timeout: PATIENCE_MILLIS,
      killSignal: 'SIGKILL',
    })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A process that was started from a snapshot, and stays until the test ends. */
export class Started {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  /** It answers the questions in the order they were given. */
  constructor(
    command: string,
    args: string[],
    env: Env,
    questions: Question[],
    cwd = packageFolder,
  ) {
    this.#child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...QUIET, ...env, QUESTIONS: questions.join() },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const { stdout } = this.#child
    if (stdout === null) throw new Error('Expected a pipe')
    this.#lines = createInterface(stdout)[Symbol.asyncIterator]()
    onTestFinished(() => this.end())
  }

  static from(blob: string, env: Env, questions: Question[], cwd?: string): Started {
    const args = [...FORKABLE, '--snapshot-blob', blob, 'app']
    return new Started(process.execPath, args, env, questions, cwd)
  }

  /** The next answer. */
  async answer<Q extends Question>(question: Q): Promise<Answers[Q]> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`The process ended before it answered \`${question}\`.`)
    return JSON.parse(value) as Answers[Q]
  }

  async end(): Promise<void> {
    const { exitCode, signalCode, stdin } = this.#child
    if (exitCode !== null || signalCode !== null) return
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MILLIS)
    const closed = once(this.#child, 'close')
    stdin?.end()
    await closed
    clearTimeout(killer)
  }
}
