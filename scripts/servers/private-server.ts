import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account } from './account.ts'
import { give } from './folder.ts'
import { freePort } from './port.ts'
import { SupervisedServer } from './supervised.ts'

/** How a server is started. */
export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Whether it is ready, given what it has logged since it was started. */
  isReady(log: string, pid: number): boolean
}

const PORTS_TO_TRY = 10

/** A private server on 127.0.0.1, in a folder of its own. A subclass for each kind says how it is made and started. */
export abstract class PrivateServer implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly folder: string
  readonly account: Account
  port = 0
  readonly #server: SupervisedServer
  readonly #stop: NodeJS.Signals

  /** `stop` and `end` are the signals that end it, and that end it if this process is gone. Default: SIGKILL. */
  constructor(
    folder: string,
    account: Account,
    { stop, end }: { stop: NodeJS.Signals; end: readonly NodeJS.Signals[] } = {
      // Nobody needs its data any more.
      stop: 'SIGKILL',
      end: ['SIGKILL'],
    },
  ) {
    this.folder = folder
    this.account = account
    this.#stop = stop
    this.#server = new SupervisedServer(folder, end)
  }

  /** The program, for the current port. Called for each start. */
  protected abstract program(): Program

  /** Prepares the folder, once, before there is a port. */
  protected async prepare(): Promise<void> {}

  /** Configures the server for the current port. */
  protected async configure(): Promise<void> {}

  /** Prepares the server and starts it. If that fails, removes everything. */
  async create(): Promise<this> {
    try {
      await this.prepare()
      await this.#startOnFreePort()
      return this
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  log(): string {
    return this.#server.log()
  }

  async stop(): Promise<void> {
    await this.#server.end(this.#stop)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async stopServer(): Promise<void> {
    await this.stopBy(this.#stop)
  }

  async startServer(): Promise<void> {
    const failure = await this.#start()
    if (failure !== undefined) throw new Error(failure)
  }

  async restart(): Promise<void> {
    await this.stopServer()
    await this.startServer()
  }

  protected async stopBy(signal: NodeJS.Signals): Promise<void> {
    await this.#server.stop(signal)
  }

  /** Writes a file into the server's folder, which only the server can read. */
  protected write(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.account)
    return path
  }

  async #startOnFreePort(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      await this.configure()
      const failure = await this.#start()
      if (failure === undefined) return
      // Another process may have taken the port meanwhile.
      if (!/in use/i.test(failure) || tries === PORTS_TO_TRY) throw new Error(failure)
    }
  }

  /** Returns why the server did not start, if it did not. */
  async #start(): Promise<string | undefined> {
    const program = this.program()
    const { name, command, args, env = process.env } = program
    const logged = this.log().length
    this.#server.start({ command, args, account: this.account, env })
    const end = await this.#server.ready((pid) => program.isReady(this.log().slice(logged), pid))
    if (end === undefined) return undefined
    return `${name} did not start (${end}):\n${this.log().slice(logged)}`
  }
}

/** The common part of a server that is named by a variable of the environment: it cannot be stopped from here. */
export function foundServer(variable: string) {
  const refuse = (): Promise<never> =>
    Promise.reject(new Error(`The server of ${variable} is not ours to stop`))
  const nothing = (): Promise<void> => Promise.resolve()
  return {
    source: 'url' as const,
    ca: undefined,
    folder: undefined,
    log: () => '',
    stop: nothing,
    stopServer: refuse,
    startServer: refuse,
    restart: refuse,
    [Symbol.asyncDispose]: nothing,
  }
}
