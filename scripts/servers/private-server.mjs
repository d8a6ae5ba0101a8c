// @ts-check
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { give } from './folder.mjs'
import { freePort } from './port.mjs'
import { SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('./account.mjs').Account} Account
 *
 * How a server is started. `isReady` is given what it has logged since.
 * @typedef {{ name: string, command: string, args: string[], env?: NodeJS.ProcessEnv, isReady: (log: string) => boolean }} Program
 */

const PORTS_TO_TRY = 10
/** What it holds is nobody's any more. */
const END = 'SIGKILL'

/** A server of ours on 127.0.0.1, in a folder of its own. A class for each kind says what it is made of. */
export class PrivateServer {
  #server
  #account
  host = '127.0.0.1'
  port = 0

  /**
   * @param {string} folder
   * @param {Account} account
   */
  constructor(folder, account) {
    this.folder = folder
    this.#account = account
    this.#server = new SupervisedServer(folder, [END])
  }

  /** What is done once, before there is a port. */
  async prepare() {}

  /** What is done for each port that is tried. */
  async configure() {}

  /** @returns {Program} */
  get program() {
    throw new Error('Expected the kind of server to say how it is started')
  }

  /** Starts it for the first time, or ends it. */
  async create() {
    try {
      await this.prepare()
      await this.#startOnFreePort()
      return this
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  log() {
    return this.#server.log()
  }

  async stop() {
    await this.#server.end(END)
  }

  async [Symbol.asyncDispose]() {
    await this.stop()
  }

  async stopServer() {
    await this.#server.stop(END)
  }

  async startServer() {
    const failure = await this.#start()
    if (failure !== undefined) throw new Error(failure)
  }

  async restart() {
    await this.stopServer()
    await this.startServer()
  }

  /**
   * Writes a file into the server's folder, for it alone.
   * @param {string} name
   * @param {string} text
   */
  write(name, text) {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#account)
    return path
  }

  async #startOnFreePort() {
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      await this.configure()
      const failure = await this.#start()
      if (failure === undefined) return
      // Somebody else may have taken a port meanwhile.
      if (!/in use/i.test(failure) || tries === PORTS_TO_TRY) throw new Error(failure)
    }
  }

  /** @returns {Promise<string | undefined>} why it did not start */
  async #start() {
    const { name, command, args, env = process.env, isReady } = this.program
    const logged = this.log().length
    this.#server.start({ command, args, account: this.#account, env })
    const end = await this.#server.ready(() => isReady(this.log().slice(logged)))
    if (end === undefined) return undefined
    return `${name} did not start (${end}):\n${this.log().slice(logged)}`
  }
}
