// @ts-check
import { serverAccount } from './account.mjs'
import { privateFolder } from './folder.mjs'
import { findProgram } from './pgbouncer-program.mjs'
import { PrivateServer } from './private-server.mjs'

/**
 * @typedef {import('../pgbouncer.mjs').PgBouncer} PgBouncer
 * @typedef {import('../pgbouncer.mjs').PgBouncerOptions} PgBouncerOptions
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {Awaited<ReturnType<typeof findProgram>>} Found
 */

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
  const found = await findProgram(account)
  const folder = privateFolder('forksafe-pgbouncer-', account)
  return await new PrivatePgBouncer(folder, account, found, options).create()
}

/** @implements {PgBouncer} */
class PrivatePgBouncer extends PrivateServer {
  #path
  #options
  #configuration = ''

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Found} found
   * @param {PgBouncerOptions} options
   */
  constructor(folder, account, { path, version }, options) {
    super(folder, account)
    this.#path = path
    this.#options = options
    this.version = version
  }

  /** @override */
  async configure() {
    const { server, mode, roles, settings = {} } = this.#options
    const users = Object.entries(roles ?? { postgres: '' })
    const lines = {
      listen_addr: this.host,
      listen_port: this.port,
      unix_socket_dir: '',
      pool_mode: mode,
      auth_type: roles === undefined ? 'trust' : 'scram-sha-256',
      auth_file: this.write('users', users.map((user) => user.map(quote).join(' ')).join('\n')),
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}`)
    const databases = `[databases]\n* = host=${server.host} port=${server.port}`
    const ini = `${databases}\n[pgbouncer]\n${text.join('\n')}\n`
    this.#configuration = this.write('pgbouncer.ini', ini)
  }

  /** @override */
  get program() {
    return {
      name: `PgBouncer ${this.version}`,
      command: this.#path,
      args: [this.#configuration],
      // It says so when it listens.
      isReady: (/** @type {string} */ log) => log.includes('process up'),
    }
  }
}

/** @param {string} text */
function quote(text) {
  return `"${text.replaceAll('"', '""')}"`
}
