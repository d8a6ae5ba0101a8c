// @ts-check
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.mjs'
import { give, privateFolder } from './folder.mjs'
import { findProgram } from './pgbouncer-program.mjs'
import { freePort } from './port.mjs'
import { SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('../pgbouncer.mjs').PgBouncer} PgBouncer
 * @typedef {import('../pgbouncer.mjs').PgBouncerOptions} PgBouncerOptions
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {import('./pgbouncer-program.mjs').Program} Program
 */

const HOST = '127.0.0.1'
const PORTS_TO_TRY = 10
/** It keeps nothing. And what SIGTERM and SIGINT mean depends on its version: some wait for the clients. */
const END = 'SIGKILL'

/** @type {typeof import('../pgbouncer.mjs').pgBouncerSupported} */
export async function pgBouncerSupported() {
  try {
    await findProgram(serverAccount('postgres'))
    return { supported: true }
  } catch (error) {
    return { supported: false, reason: /** @type {Error} */ (error).message }
  }
}

/** @type {typeof import('../pgbouncer.mjs').startPgBouncer} */
export async function startPgBouncer(options) {
  const account = serverAccount('postgres')
  const program = await findProgram(account)
  const folder = privateFolder('forksafe-pgbouncer-', account)
  const bouncer = new PrivatePgBouncer(folder, account, program, options)
  try {
    await bouncer.create()
    return bouncer
  } catch (error) {
    await bouncer.stop()
    throw error
  }
}

/** @implements {PgBouncer} */
class PrivatePgBouncer {
  #server
  #folder
  #account
  #program
  #options
  host = HOST
  port = 0

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Program} program
   * @param {PgBouncerOptions} options
   */
  constructor(folder, account, program, options) {
    this.#folder = folder
    this.#account = account
    this.#program = program
    this.#options = options
    this.version = program.version
    this.#server = new SupervisedServer(folder, [END])
  }

  async create() {
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      this.#configure()
      const failure = await this.#start()
      if (failure === undefined) return
      // Somebody else may have taken the port meanwhile.
      if (!/in use/i.test(failure) || tries === PORTS_TO_TRY) throw new Error(failure)
    }
  }

  log() {
    return this.#server.log()
  }

  async restart() {
    await this.#server.stop(END)
    const failure = await this.#start()
    if (failure !== undefined) throw new Error(failure)
  }

  async stop() {
    await this.#server.end(END)
  }

  async [Symbol.asyncDispose]() {
    await this.stop()
  }

  get #configuration() {
    return join(this.#folder, 'pgbouncer.ini')
  }

  #configure() {
    const { server, mode, roles, settings = {} } = this.#options
    const users = Object.entries(roles ?? { postgres: '' })
    const lines = {
      listen_addr: HOST,
      listen_port: this.port,
      unix_socket_dir: '',
      pool_mode: mode,
      auth_type: roles === undefined ? 'trust' : 'scram-sha-256',
      auth_file: this.#write('users', users.map((user) => user.map(quote).join(' ')).join('\n')),
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}`)
    const databases = `[databases]\n* = host=${server.host} port=${server.port}`
    this.#write('pgbouncer.ini', `${databases}\n[pgbouncer]\n${text.join('\n')}\n`)
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const path = join(this.#folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#account)
    return path
  }

  /** @returns {Promise<string | undefined>} why it did not start */
  async #start() {
    const logged = this.log().length
    this.#server.start({
      command: this.#program.path,
      args: [this.#configuration],
      account: this.#account,
      env: process.env,
    })
    // It says so when it listens.
    const end = await this.#server.ready(() => this.log().includes('process up', logged))
    if (end === undefined) return undefined
    return `PgBouncer ${this.version} did not start (${end}):\n${this.log().slice(logged)}`
  }
}

/** @param {string} text */
function quote(text) {
  return `"${text.replaceAll('"', '""')}"`
}
