import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Account } from './account.ts'
import { readIfThere } from './folder.ts'

/** The command that starts a server. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly account: Account
  readonly env: NodeJS.ProcessEnv
}

/** The state of start number `number`: running, or how it ended. */
interface Status {
  readonly number: number
  readonly pid?: number
  readonly gone?: string
}

const POLL_MILLIS = 10
const DEADLINE_MILLIS = 60_000

/** A server in a folder of its own. Both end with this process, however it ends. */
export class SupervisedServer {
  readonly folder: string
  readonly #supervisor
  #starts = 0

  /** `endSignals` end the server after this process has gone: each if the one before did not. */
  constructor(folder: string, endSignals: readonly NodeJS.Signals[]) {
    this.folder = folder
    const script = fileURLToPath(new URL('supervisor.mjs', import.meta.url))
    this.#supervisor = spawn(process.execPath, [script, folder, ...endSignals], {
      cwd: '/',
      // In a session of its own: at Ctrl-C, this process decides in which order things end.
      detached: true,
      env: withoutNodeSettings(process.env),
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#supervisor.unref()
    const stdin = this.#supervisor.stdin as unknown as Socket
    stdin.unref()
    stdin.on('error', () => {}) // The deadline reports it better.
  }

  /** Starts the server, without waiting until it answers. */
  start(command: Command): void {
    this.#starts += 1
    this.#send({ verb: 'start', number: this.#starts, ...command })
  }

  /** Waits until the started server is ready. Returns how it ended if it did instead. */
  async ready(isReady: (pid: number) => boolean): Promise<string | undefined> {
    return await this.#poll('become ready', () => {
      const status = this.#status()
      if (status?.gone !== undefined) return { value: status.gone }
      return status?.pid !== undefined && isReady(status.pid) ? { value: undefined } : undefined
    })
  }

  /** Stops the server but keeps its folder. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#send({ verb: 'signal', signal })
    await this.#poll('stop', () =>
      this.#status()?.gone === undefined ? undefined : { value: undefined },
    )
  }

  /** Stops the server and removes its folder. May be called again. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!existsSync(this.folder)) return
    this.#send({ verb: 'end', signal })
    await this.#poll('end', () => (existsSync(this.folder) ? undefined : { value: undefined }))
  }

  log(): string {
    return readIfThere(join(this.folder, 'log')) ?? ''
  }

  /** The status of the latest start. */
  #status(): Status | undefined {
    const text = readIfThere(join(this.folder, 'status'))
    if (text === undefined) return undefined
    const status = JSON.parse(text) as Status
    return status.number === this.#starts ? status : undefined
  }

  #send(request: object): void {
    this.#supervisor.stdin?.write(`${JSON.stringify(request)}\n`)
  }

  async #poll<T>(what: string, look: () => { value: T } | undefined): Promise<T> {
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

function withoutNodeSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...rest } = env
  return rest
}
