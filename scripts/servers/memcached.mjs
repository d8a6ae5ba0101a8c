// @ts-check
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { give, privateFolder } from './folder.mjs'
import { findProgram } from './memcached-program.mjs'
import { freePort } from './port.mjs'
import { SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('../memcached.mjs').MemcachedOptions} MemcachedOptions
 * @typedef {import('../memcached.mjs').MemcachedServer} MemcachedServer
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {import('./memcached-program.mjs').Program} Program
 */

const HOST = '127.0.0.1'
const MAX_CONNECTIONS = 1024
const PORTS_TO_TRY = 10
/** What it holds is nobody's any more. */
const END = 'SIGKILL'

/** @type {typeof import('../memcached.mjs').startMemcached} */
export async function startMemcached(options = {}) {
  const account = serverAccount('memcache')
  const program = await findProgram(account)
  const folder = privateFolder('forksafe-memcached-', account)
  const server = new PrivateMemcached(folder, account, program, options)
  try {
    await server.create()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** @implements {MemcachedServer} */
class PrivateMemcached {
  #server
  #account
  #folder
  #options
  #program
  host = HOST
  port = 0
  /** @type {number | undefined} */
  tlsPort
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Program} program
   * @param {MemcachedOptions} options
   */
  constructor(folder, account, program, options) {
    this.version = program.version
    this.source = program.source
    this.#folder = folder
    this.#account = account
    this.#program = program
    this.#options = options
    this.#server = new SupervisedServer(folder, [END])
  }

  async create() {
    if (this.#options.tls !== false) await this.#makeCertificate()
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      this.tlsPort = this.ca === undefined ? undefined : await freePort()
      const failure = await this.#start()
      if (failure === undefined) return
      // Somebody else may have taken a port meanwhile.
      if (!/in use/i.test(failure) || tries === PORTS_TO_TRY) throw new Error(failure)
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

  async #makeCertificate() {
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    this.#write('server.crt', cert)
    this.#write('server.key', key)
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const path = join(this.#folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#account)
  }

  get #args() {
    const limit = String(this.#options.maxConnections ?? MAX_CONNECTIONS)
    // -vv: it logs what it is asked, and when it listens.
    const always = ['-U', '0', '-c', limit, '-vv']
    const plain = `${HOST}:${this.port}`
    if (this.tlsPort === undefined) return [...always, '-l', plain]
    const files = 'ssl_chain_cert=server.crt,ssl_key=server.key'
    return [...always, '-l', `notls:${plain},${HOST}:${this.tlsPort}`, '-Z', '-o', files]
  }

  /** @returns {Promise<string | undefined>} why it did not start */
  async #start() {
    const logged = this.log().length
    this.#server.start({
      command: this.#program.path,
      args: this.#args,
      account: this.#account,
      env: process.env,
    })
    const ports = this.tlsPort === undefined ? 1 : 2
    const end = await this.#server.ready(
      () => this.log().slice(logged).split('server listening').length > ports,
    )
    if (end === undefined) return undefined
    return `memcached ${this.version} did not start (${end}):\n${this.log().slice(logged)}`
  }
}
