// @ts-check
import { execFile } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { serverAccount } from './account.mjs'
import { localCertificate } from './certificates.mjs'
import { copyFor, give, privateFolder } from './folder.mjs'
import { freePort } from './port.mjs'
import { findPrograms } from './postgres-programs.mjs'
import { readIfThere, SupervisedServer } from './supervised.mjs'

/**
 * @typedef {import('../postgres.mjs').PostgresOptions} PostgresOptions
 * @typedef {import('../postgres.mjs').PostgresServer} PostgresServer
 * @typedef {import('../postgres.mjs').StopMode} StopMode
 * @typedef {import('./account.mjs').Account} Account
 */

const HOST = '127.0.0.1'
const USER = 'postgres'
const PORTS_TO_TRY = 10
/** @type {Record<StopMode, NodeJS.Signals>} */
const STOP_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' }

/** @type {typeof import('../postgres.mjs').startPostgres} */
export async function startPostgres(options = {}) {
  const url = process.env['FORKSAFE_PG_URL']
  if (url && options.source === undefined && !options.own) return await foundServer(url)

  const account = serverAccount(USER)
  const folder = privateFolder('forksafe-pg-', account)
  const server = new PrivatePostgres(folder, account, options)
  try {
    await server.create()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/**
 * What FORKSAFE_PG_SOURCE says.
 * @returns {PostgresOptions['source']}
 */
function sourceOfEnvironment() {
  const source = process.env['FORKSAFE_PG_SOURCE']
  if (!source) return undefined
  if (source === 'machine' || source === 'embedded' || source === 'debian') return source
  throw new Error(
    `Expected FORKSAFE_PG_SOURCE to be machine, embedded or debian, got \`${source}\``,
  )
}

/**
 * @param {string} url
 * @returns {Promise<PostgresServer>} a server which somebody else started
 */
async function foundServer(url) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
  } catch (error) {
    throw new Error('Cannot connect to the server that FORKSAFE_PG_URL names', { cause: error })
  }
  const { rows } = await client.query('show server_version')
  await client.end()
  const refuse = () =>
    Promise.reject(new Error('The server of FORKSAFE_PG_URL is not ours to stop'))
  const nothing = () => Promise.resolve()
  return {
    url,
    host: client.host,
    port: client.port,
    socketDir: undefined,
    user: client.user ?? USER,
    password: client.password ?? undefined,
    database: client.database ?? USER,
    version: String(rows[0].server_version).split(' ', 1)[0] ?? '',
    source: 'url',
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

/** @implements {PostgresServer} */
class PrivatePostgres {
  #server
  #account
  #options
  #bin = ''
  host = HOST
  port = 0
  user = USER
  password = undefined
  database = 'postgres'
  version = ''
  /** @type {PostgresServer['source']} */
  source = 'machine'
  /** @type {string | undefined} */
  ca

  /**
   * @param {string} folder
   * @param {Account} account
   * @param {PostgresOptions} options
   */
  constructor(folder, account, options) {
    this.folder = folder
    this.socketDir = folder
    this.#account = account
    this.#options = options
    // Its data is nobody's any more: a crash is the quickest end.
    this.#server = new SupervisedServer(folder, ['SIGQUIT', 'SIGKILL'])
  }

  get url() {
    return `postgres://${this.user}@${this.host}:${this.port}/${this.database}`
  }

  get #data() {
    return join(this.folder, 'data')
  }

  async create() {
    const source = this.#options.source ?? sourceOfEnvironment()
    const programs = await findPrograms(source, this.#account, this.folder)
    this.#bin = programs.bin
    this.version = programs.version
    this.source = programs.source
    await this.#initialise()
    for (let tries = 1; ; tries += 1) {
      this.port = await freePort()
      const failure = await this.#start()
      if (failure === undefined) break
      // Somebody else may have taken the port meanwhile.
      if (!/in use/i.test(failure) || tries === PORTS_TO_TRY) throw new Error(failure)
    }
    await this.#createRoles()
  }

  log() {
    return this.#server.log()
  }

  async stop() {
    await this.#server.end(STOP_SIGNALS.fast)
  }

  async [Symbol.asyncDispose]() {
    await this.stop()
  }

  /** @param {StopMode} mode */
  async stopServer(mode = 'fast') {
    await this.#server.stop(STOP_SIGNALS[mode])
  }

  async startServer() {
    const failure = await this.#start()
    if (failure !== undefined) throw new Error(failure)
  }

  /** @param {StopMode} mode */
  async restart(mode = 'fast') {
    await this.stopServer(mode)
    await this.startServer()
  }

  get #env() {
    const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
    return { ...Object.fromEntries(ours), HOME: this.folder, LC_ALL: 'C' }
  }

  async #initialise() {
    const { roles = {}, settings = {}, standbyOf, tls = true } = this.#options
    if (standbyOf !== undefined) return await this.#copy(standbyOf, settings)
    const args = [
      '-D',
      this.#data,
      '-U',
      USER,
      '-A',
      'trust',
      '--no-sync',
      '--no-locale',
      '-E',
      'UTF8',
    ]
    const options = { ...this.#account, env: this.#env, cwd: this.folder }
    await promisify(execFile)(join(this.#bin, 'initdb'), args, options)

    /** @type {Record<string, string>} */
    const lines = {
      listen_addresses: HOST,
      unix_socket_directories: this.socketDir,
      fsync: 'off',
      full_page_writes: 'off',
      synchronous_commit: 'off',
    }
    if (tls) {
      const { ca, cert, key } = await localCertificate()
      this.ca = ca
      Object.assign(lines, {
        ssl: 'on',
        ssl_cert_file: this.#write('server.crt', cert),
        ssl_key_file: this.#write('server.key', key),
      })
    }
    this.#set({ ...lines, ...settings })

    const rules = join(this.#data, 'pg_hba.conf')
    const asked = Object.keys(roles).map((role) => `host all "${role}" ${HOST}/32 scram-sha-256\n`)
    writeFileSync(rules, asked.join('') + readFileSync(rules, 'utf8'))
  }

  /**
   * pg_basebackup is not among the embedded programs: so the primary stands still while its data is copied.
   * @param {PostgresServer} primary
   * @param {Record<string, string>} settings
   */
  async #copy(primary, settings) {
    if (primary.folder === undefined) throw new Error('Expected a primary that was started here')
    await primary.stopServer()
    copyFor(join(primary.folder, 'data'), this.#data, this.#account)
    chmodSync(this.#data, 0o700) // Not every Node copies that.
    await primary.startServer()
    const { host, port, user } = primary
    this.#set({
      unix_socket_directories: this.socketDir,
      primary_conninfo: `host=${host} port=${port} user=${user}`,
      ...settings,
    })
    writeFileSync(join(this.#data, 'standby.signal'), '')
  }

  /** @param {Record<string, string>} settings */
  #set(settings) {
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`,
    )
    appendFileSync(join(this.#data, 'postgresql.conf'), lines.join(''))
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #write(name, text) {
    const folder = join(this.folder, 'tls')
    mkdirSync(folder, { recursive: true })
    give(folder, this.#account)
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    give(path, this.#account)
    return path
  }

  /** @returns {Promise<string | undefined>} why it did not start */
  async #start() {
    const logged = this.log().length
    // Left behind by a crash, it would be taken for a running server if its number is in use again.
    rmSync(join(this.#data, 'postmaster.pid'), { force: true })
    this.#server.start({
      command: join(this.#bin, 'postgres'),
      args: ['-D', this.#data, '-p', String(this.port)],
      account: this.#account,
      env: this.#env,
    })
    const end = await this.#server.ready((pid) => this.#isReady(pid))
    if (end === undefined) return undefined
    return `PostgreSQL ${this.version} did not start (${end}):\n${this.log().slice(logged)}`
  }

  /**
   * pg_ctl looks at the same lines of the same file.
   * @param {number} pid
   */
  #isReady(pid) {
    const lines = readIfThere(join(this.#data, 'postmaster.pid'))?.split('\n') ?? []
    return Number(lines[0]) === pid && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
  }

  async #createRoles() {
    const roles = Object.entries(this.#options.roles ?? {})
    if (roles.length === 0) return
    const client = new Client({ connectionString: this.url })
    await client.connect()
    for (const [name, password] of roles) {
      await client.query(
        `create role ${client.escapeIdentifier(name)} login password ${client.escapeLiteral(password)}`,
      )
    }
    await client.end()
  }
}
