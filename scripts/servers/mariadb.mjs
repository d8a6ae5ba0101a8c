// @ts-check
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { give, privateFolder } from './folder.mjs'
import { findPrograms } from './mariadb-programs.mjs'
import { freePort } from './port.mjs'
import { SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('../mariadb.mjs').MariadbOptions} MariadbOptions
 * @typedef {import('../mariadb.mjs').MariadbServer} MariadbServer
 * @typedef {import('./account.mjs').Account} Account
 * @typedef {import('./mariadb-programs.mjs').Programs} Programs
 */

const HOST = '127.0.0.1'
const DEFAULT_PORT = 3306
const USER = 'root'
const DATABASE = 'forksafe'
const PORTS_TO_TRY = 10
/** What it holds is nobody's any more. */
const END = 'SIGKILL'

/** @type {typeof import('../mariadb.mjs').startMariadb} */
export async function startMariadb(options = {}) {
  const url = process.env['FORKSAFE_MYSQL_URL']
  if (url && !options.own) return foundServer(new URL(url))

  const account = serverAccount('mysql')
  const programs = await findPrograms(account)
  const folder = privateFolder('forksafe-mariadb-', account)
  const server = new PrivateMariadb(folder, account, programs, options)
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
class PrivateMariadb {
  #server
  #account
  #programs
  #options
  host = HOST
  port = 0
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
    this.folder = folder
    this.socketPath = join(folder, 'mariadb.sock')
    this.version = programs.version
    this.source = programs.source
    this.#account = account
    this.#programs = programs
    this.#options = options
    this.#server = new SupervisedServer(folder, [END])
  }

  async create() {
    await this.#install()
    const tls = this.#options.tls === false ? {} : await this.#certificate()
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      this.#configure(tls)
      const failure = await this.#start()
      if (failure === undefined) return
      // Somebody else may have taken the port meanwhile.
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

  async #certificate() {
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    return {
      ssl_cert: this.#write('server.crt', cert),
      ssl_key: this.#write('server.key', key),
      ssl_ca: this.#write('ca.crt', ca),
    }
  }

  /** @param {Record<string, string>} tls */
  #configure(tls) {
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
      bind_address: HOST,
      port: String(this.port),
      socket: this.socketPath,
      pid_file: join(this.folder, 'mariadb.pid'),
      // Names of machines are looked up by nobody.
      skip_name_resolve: 'ON',
      init_file: this.#write('init.sql', `${statements.join('\n')}\n`),
      // What it saves need not outlive this machine.
      innodb_flush_log_at_trx_commit: '0',
      ...tls,
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
    this.#write('my.cnf', `[mariadbd]\n${text.join('')}`)
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
    const logged = this.log().length
    this.#server.start({
      command: this.#programs.server,
      args: [`--defaults-file=${join(this.folder, 'my.cnf')}`],
      account: this.#account,
      env: this.#env,
    })
    const end = await this.#server.ready(() => this.log().includes('ready for connections', logged))
    if (end === undefined) return undefined
    return `MariaDB ${this.version} did not start (${end}):\n${this.log().slice(logged)}`
  }
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
