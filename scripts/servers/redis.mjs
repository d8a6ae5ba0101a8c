// @ts-check
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { give, privateFolder } from './folder.mjs'
import { freePort } from './port.mjs'
import { CALLED, findProgram } from './redis-program.mjs'
import { SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('../redis.mjs').RedisOptions} RedisOptions
 * @typedef {import('../redis.mjs').RedisServer} RedisServer
 * @typedef {Awaited<ReturnType<typeof localCertificate>>} Certificate
 *
 * `sentinel`: a sentinel, instead of a server with data. `certificate`: one that others have as well.
 * @typedef {RedisOptions & { sentinel?: boolean, certificate?: Certificate | undefined }} PrivateOptions
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {import('./redis-program.mjs').Program} Program
 */

const HOST = '127.0.0.1'
const DEFAULT_PORT = 6379
const PORTS_TO_TRY = 10
/** What it holds is nobody's any more. */
const END = 'SIGKILL'
/** A replica gets its copy at once, and not after five seconds in which others might ask for one too. */
export const PROMPT_REPLICATION = { 'repl-diskless-sync-delay': '0' }

/** @type {typeof import('../redis.mjs').startRedis} */
export async function startRedis(options = {}) {
  const url = process.env['FORKSAFE_REDIS_URL']
  return url && !options.own ? foundServer(new URL(url)) : await startPrivate(options)
}

/**
 * @param {PrivateOptions} options
 * @returns {Promise<RedisServer>}
 */
export async function startPrivate(options) {
  const account = serverAccount('redis')
  const program = await findProgram(account)
  const server = new PrivateRedis(
    privateFolder('forksafe-redis-', account),
    account,
    program,
    options,
  )
  try {
    await server.create()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/**
 * @param {URL} url
 * @returns {RedisServer} a server which somebody else started
 */
function foundServer({ hostname, port, username, password }) {
  const refuse = () =>
    Promise.reject(new Error('The server of FORKSAFE_REDIS_URL is not ours to stop'))
  const nothing = () => Promise.resolve()
  return {
    host: hostname,
    port: Number(port) || DEFAULT_PORT,
    tlsPort: undefined,
    socketPath: undefined,
    username: decodeURIComponent(username) || undefined,
    password: decodeURIComponent(password) || undefined,
    ca: undefined,
    version: undefined,
    source: 'url',
    folder: undefined,
    log: () => '',
    stop: nothing,
    stopServer: refuse,
    startServer: refuse,
    restart: refuse,
    [Symbol.asyncDispose]: nothing,
  }
}

/** @implements {RedisServer} */
class PrivateRedis {
  #server
  #account
  #options
  host = HOST
  port = 0
  /** @type {number | undefined} */
  tlsPort
  username = undefined
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Program} program
   * @param {PrivateOptions} options
   */
  constructor(folder, account, program, options) {
    this.folder = folder
    this.socketPath = join(folder, 'redis.sock')
    this.password = options.password
    this.version = program.version
    this.source = program.source
    this.#account = account
    this.#options = options
    this.#server = new SupervisedServer(folder, [END])
    symlinkSync(program.path, this.#program)
  }

  get #program() {
    return join(this.folder, CALLED)
  }

  async create() {
    const tls = this.#options.tls === false ? {} : await this.#certificate()
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      this.tlsPort = this.ca === undefined ? undefined : await freePort()
      this.#configure(tls)
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

  async #certificate() {
    const { ca, cert, key } = this.#options.certificate ?? (await localCertificate())
    this.ca = ca
    return {
      'tls-cert-file': this.#write('server.crt', cert),
      'tls-key-file': this.#write('server.key', key),
      'tls-ca-cert-file': this.#write('ca.crt', ca),
      'tls-auth-clients': 'no',
    }
  }

  /** @param {Record<string, string>} tls */
  #configure(tls) {
    const { settings = {} } = this.#options
    const lines = {
      bind: HOST,
      port: String(this.port),
      unixsocket: this.socketPath,
      dir: this.folder,
      save: '',
      appendonly: 'no',
      ...tls,
      ...(this.tlsPort === undefined ? {} : { 'tls-port': String(this.tlsPort) }),
      ...(this.password === undefined ? {} : { requirepass: this.password }),
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} ${quote(value)}\n`)
    this.#write('redis.conf', text.join(''))
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const path = join(this.folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#account)
    return path
  }

  /** @returns {Promise<string | undefined>} why it did not start */
  async #start() {
    const { sentinel = false } = this.#options
    const logged = this.log().length
    this.#server.start({
      command: this.#program,
      args: [join(this.folder, 'redis.conf'), ...(sentinel ? ['--sentinel'] : [])],
      account: this.#account,
      env: process.env,
    })
    // It listens before it loads what it had saved.
    const sign = sentinel ? 'Sentinel ID is' : 'Server initialized'
    const end = await this.#server.ready(() => this.log().includes(sign, logged))
    if (end === undefined) return undefined
    return `Redis ${this.version} did not start (${end}):\n${this.log().slice(logged)}`
  }
}

/**
 * Several words are several arguments.
 * @param {string} text
 */
function quote(text) {
  return /\s/.test(text) ? text : JSON.stringify(text)
}
