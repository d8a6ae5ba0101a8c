// @ts-check
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/**
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {{ command: string, args: string[], account: Account, env: NodeJS.ProcessEnv }} Program
 *
 * What became of start number `number`: running, or gone and how.
 * @typedef {{ number: number, pid: number | undefined, gone?: string }} Status
 *
 * @typedef {{ verb: 'start', number: number, program: Program }
 *   | { verb: 'signal' | 'end', signal: NodeJS.Signals }} Request
 */

const POLL_MILLIS = 10
const DEADLINE_MILLIS = 60_000

/** A server in a folder of its own. Both end with this process, however it ends. */
export class SupervisedServer {
  #supervisor
  #starts = 0

  /**
   * @param {string} folder
   * @param {NodeJS.Signals[]} endSignals end the server when this process is gone: each if the one before did not
   */
  constructor(folder, endSignals) {
    this.folder = folder
    const script = fileURLToPath(new URL('./supervisor.mjs', import.meta.url))
    this.#supervisor = spawn(process.execPath, [script, folder, ...endSignals], {
      cwd: '/',
      // In a session of its own, so that Ctrl-C leaves the order of ending to this process.
      detached: true,
      env: withoutNodeSettings(process.env),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#supervisor.unref()
    const stdin = /** @type {import('node:net').Socket} */ (this.#supervisor.stdin)
    stdin.unref()
    stdin.on('error', () => {}) // Said better by the deadline.
  }

  /**
   * Starts the server; it need not answer yet.
   * @param {Program} program
   */
  start(program) {
    this.#starts += 1
    this.#send({ verb: 'start', number: this.#starts, program })
  }

  /**
   * Waits until the started server is ready.
   * @param {(pid: number) => boolean} isReady
   * @returns {Promise<string | undefined>} how the server ended instead
   */
  async ready(isReady) {
    return await this.#poll('become ready', () => {
      const status = this.#status()
      if (status?.gone !== undefined) return { value: status.gone }
      return status?.pid !== undefined && isReady(status.pid) ? { value: undefined } : undefined
    })
  }

  /**
   * Stops the server but keeps its folder.
   * @param {NodeJS.Signals} signal
   */
  async stop(signal) {
    this.#send({ verb: 'signal', signal })
    await this.#poll('stop', () =>
      this.#status()?.gone === undefined ? undefined : { value: undefined },
    )
  }

  /**
   * Stops the server and removes its folder.
   * @param {NodeJS.Signals} signal
   */
  async end(signal) {
    if (!existsSync(this.folder)) return
    this.#send({ verb: 'end', signal })
    await this.#poll('end', () => (existsSync(this.folder) ? undefined : { value: undefined }))
  }

  log() {
    return readIfThere(join(this.folder, 'log')) ?? ''
  }

  /** @returns {Status | undefined} of the latest start */
  #status() {
    const text = readIfThere(join(this.folder, 'status'))
    if (text === undefined) return undefined
    const status = /** @type {Status} */ (JSON.parse(text))
    return status.number === this.#starts ? status : undefined
  }

  /** @param {Request} request */
  #send(request) {
    this.#supervisor.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  /**
   * @template T
   * @param {string} what
   * @param {() => { value: T } | undefined} look
   * @returns {Promise<T>}
   */
  async #poll(what, look) {
    const deadline = performance.now() + DEADLINE_MILLIS
    for (;;) {
      const seen = look()
      if (seen) return seen.value
      const { exitCode, signalCode } = this.#supervisor
      if (exitCode !== null || signalCode !== null) {
        throw new Error(
          `The server cannot ${what}: its supervisor ended (${signalCode ?? exitCode})`,
        )
      }
      if (performance.now() > deadline) {
        throw new Error(`The server did not ${what} within ${DEADLINE_MILLIS} ms:\n${this.log()}`)
      }
      await sleep(POLL_MILLIS)
    }
  }
}

/** @param {string} path */
export function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** @param {NodeJS.ProcessEnv} env */
function withoutNodeSettings(env) {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...rest } = env
  return rest
}
