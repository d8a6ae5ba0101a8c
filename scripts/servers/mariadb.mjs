// @ts-check
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { privateFolder } from './folder.mjs'
import { findPrograms } from './mariadb-programs.mjs'
import { PrivateServer } from './private-server.mjs'

/**
 * @typedef {import('../mariadb.mjs').MariadbOptions} MariadbOptions
 * @typedef {import('../mariadb.mjs').MariadbServer} MariadbServer
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {Awaited<ReturnType<typeof findPrograms>>} Programs
 */

const DEFAULT_PORT = 3306
const USER = 'root'
const DATABASE = 'forksafe'

/** @type {typeof import('../mariadb.mjs').startMariadb} */
export async function startMariadb(options = {}) {
  const url = process.env['FORKSAFE_MYSQL_URL']
  if (url && !options.own) return foundServer(new URL(url))

  const account = serverAccount('mysql')
  const programs = await findPrograms(account)
  const folder = privateFolder('forksafe-mariadb-', account)
  return await new PrivateMariadb(folder, account, programs, options).create()
}

/**
 * @param {URL} url
 * @returns {MariadbServer} a server which somebody else started
 */
function foundServer({ hostname, port, username, password, pathname }) {
  const refuse = () =>
    Promise.reject(new Error('The server of FORKSAFE_MYSQL_URL is not ours to stop'))
  const nothing = () => Promise.resolve()
  return {
    host: hostname,
    port: Number(port) || DEFAULT_PORT,
    socketPath: undefined,
    user: decodeURIComponent(username) || USER,
    password: decodeURIComponent(password) || undefined,
    database: decodeURIComponent(pathname.slice(1)) || DATABASE,
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

/** @implements {MariadbServer} */
class PrivateMariadb extends PrivateServer {
  #account
  #programs
  #options
  /** Lines for its configuration. @type {Record<string, string>} */
  #tls = {}
  user = USER
  password = undefined
  database = DATABASE
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {Programs} programs
   * @param {MariadbOptions} options
   */
  constructor(folder, account, programs, options) {
    super(folder, account)
    this.socketPath = join(folder, 'mariadb.sock')
    this.version = programs.version
    this.source = programs.source
    this.#account = account
    this.#programs = programs
    this.#options = options
  }

  /** @override */
  async prepare() {
    await this.#install()
    if (this.#options.tls === false) return
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    this.#tls = {
      ssl_cert: this.write('server.crt', cert),
      ssl_key: this.write('server.key', key),
      ssl_ca: this.write('ca.crt', ca),
    }
  }

  get #data() {
    return join(this.folder, 'data')
  }

  /** A server that starts removes the temporary tables of others that have the same folder for them. */
  get #env() {
    return { ...process.env, TMPDIR: this.folder }
  }

  async #install() {
    const how = [`--datadir=${this.#data}`, '--auth-root-authentication-method=normal']
    await promisify(execFile)(
      this.#programs.installer,
      ['--no-defaults', ...how, '--skip-test-db', '--skip-name-resolve'],
      { ...this.#account, cwd: this.folder, env: this.#env },
    )
  }

  /** @override */
  async configure() {
    const { settings = {}, users = {} } = this.#options
    const statements = [
      `CREATE DATABASE IF NOT EXISTS ${DATABASE};`,
      ...Object.entries(users).map(
        ([user, password]) =>
          `GRANT ALL ON *.* TO ${quote(user)}@'%' IDENTIFIED BY ${quote(password)};`,
      ),
    ]
    const lines = {
      datadir: this.#data,
      bind_address: this.host,
      port: String(this.port),
      socket: this.socketPath,
      pid_file: join(this.folder, 'mariadb.pid'),
      // Names of machines are looked up by nobody.
      skip_name_resolve: 'ON',
      init_file: this.write('init.sql', `${statements.join('\n')}\n`),
      // What it saves need not outlive this machine.
      innodb_flush_log_at_trx_commit: '0',
      ...this.#tls,
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
    this.write('my.cnf', `[mariadbd]\n${text.join('')}`)
  }

  /** @override */
  get program() {
    return {
      name: `MariaDB ${this.version}`,
      command: this.#programs.server,
      args: [`--defaults-file=${join(this.folder, 'my.cnf')}`],
      env: this.#env,
      isReady: (/** @type {string} */ log) => log.includes('ready for connections'),
    }
  }
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
