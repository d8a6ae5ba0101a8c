// @ts-check
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { privateFolder } from './folder.mjs'
import { findProgram } from './memcached-program.mjs'
import { freePort } from './port.mjs'
import { PrivateServer } from './private-server.mjs'

/**
 * @typedef {import('../memcached.mjs').MemcachedOptions} MemcachedOptions
 * @typedef {import('../memcached.mjs').MemcachedServer} MemcachedServer
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {Awaited<ReturnType<typeof findProgram>>} Found
 */

const MAX_CONNECTIONS = 1024

/** @type {typeof import('../memcached.mjs').startMemcached} */
export async function startMemcached(options = {}) {
  const account = serverAccount('memcache')
  const found = await findProgram(account)
  const folder = privateFolder('forksafe-memcached-', account)
  return await new PrivateMemcached(folder, account, found, options).create()
}

/** @implements {MemcachedServer} */
class PrivateMemcached extends PrivateServer {
  #options
  #path
  /** @type {number | undefined} */
  tlsPort
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Found} found
   * @param {MemcachedOptions} options
   */
  constructor(folder, account, { path, version, source }, options) {
    super(folder, account)
    this.version = version
    this.source = source
    this.#path = path
    this.#options = options
  }

  /** @override */
  async prepare() {
    if (this.#options.tls === false) return
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    this.write('server.crt', cert)
    this.write('server.key', key)
  }

  /** @override */
  async configure() {
    this.tlsPort = this.ca === undefined ? undefined : await freePort()
  }

  /** @override */
  get program() {
    const ports = this.tlsPort === undefined ? 1 : 2
    return {
      name: `memcached ${this.version}`,
      command: this.#path,
      args: this.#args,
      isReady: (/** @type {string} */ log) => log.split('server listening').length > ports,
    }
  }

  get #args() {
    const limit = String(this.#options.maxConnections ?? MAX_CONNECTIONS)
    // -vv: it logs what it is asked, and when it listens.
    const always = ['-U', '0', '-c', limit, '-vv']
    const plain = `${this.host}:${this.port}`
    if (this.tlsPort === undefined) return [...always, '-l', plain]
    const files = 'ssl_chain_cert=server.crt,ssl_key=server.key'
    return [...always, '-l', `notls:${plain},${this.host}:${this.tlsPort}`, '-Z', '-o', files]
  }
}
