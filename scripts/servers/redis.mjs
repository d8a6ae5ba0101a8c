// @ts-check
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { privateFolder } from './folder.mjs'
import { freePort } from './port.mjs'
import { PrivateServer } from './private-server.mjs'
import { CALLED, findProgram } from './redis-program.mjs'

/**
 * @typedef {import('../redis.mjs').RedisOptions} RedisOptions
 * @typedef {import('../redis.mjs').RedisServer} RedisServer
 * @typedef {Awaited<ReturnType<typeof localCertificate>>} Certificate
 *
 * `sentinel`: a sentinel, instead of a server with data. `certificate`: one that others have as well.
 * @typedef {RedisOptions & { sentinel?: boolean, certificate?: Certificate | undefined }} PrivateOptions
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {Awaited<ReturnType<typeof findProgram>>} Found
 */

const DEFAULT_PORT = 6379
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
  const found = await findProgram(account)
  const folder = privateFolder('forksafe-redis-', account)
  return await new PrivateRedis(folder, account, found, options).create()
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
class PrivateRedis extends PrivateServer {
  #options
  /** Lines for its configuration. @type {Record<string, string>} */
  #tls = {}
  /** @type {number | undefined} */
  tlsPort
  username = undefined
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Found} found
   * @param {PrivateOptions} options
   */
  constructor(folder, account, { path, version, source }, options) {
    super(folder, account)
    this.socketPath = join(folder, 'redis.sock')
    this.password = options.password
    this.version = version
    this.source = source
    this.#options = options
    symlinkSync(path, this.#called)
  }

  get #called() {
    return join(this.folder, CALLED)
  }

  /** @override */
  async prepare() {
    if (this.#options.tls === false) return
    const { ca, cert, key } = this.#options.certificate ?? (await localCertificate())
    this.ca = ca
    this.#tls = {
      'tls-cert-file': this.write('server.crt', cert),
      'tls-key-file': this.write('server.key', key),
      'tls-ca-cert-file': this.write('ca.crt', ca),
      'tls-auth-clients': 'no',
    }
  }

  /** @override */
  async configure() {
    this.tlsPort = this.ca === undefined ? undefined : await freePort()
    const { settings = {} } = this.#options
    const lines = {
      bind: this.host,
      port: String(this.port),
      unixsocket: this.socketPath,
      dir: this.folder,
      save: '',
      appendonly: 'no',
      ...this.#tls,
      ...(this.tlsPort === undefined ? {} : { 'tls-port': String(this.tlsPort) }),
      ...(this.password === undefined ? {} : { requirepass: this.password }),
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} ${quote(value)}\n`)
    this.write('redis.conf', text.join(''))
  }

  /** @override */
  get program() {
    const { sentinel = false } = this.#options
    // It listens before it loads what it had saved.
    const sign = sentinel ? 'Sentinel ID is' : 'Server initialized'
    return {
      name: `Redis ${this.version}`,
      command: this.#called,
      args: [join(this.folder, 'redis.conf'), ...(sentinel ? ['--sentinel'] : [])],
      isReady: (/** @type {string} */ log) => log.includes(sign),
    }
  }
}

/**
 * Several words are several arguments.
 * @param {string} text
 */
function quote(text) {
  return /\s/.test(text) ? text : JSON.stringify(text)
}
