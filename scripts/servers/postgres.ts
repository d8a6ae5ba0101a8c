import { execFile } from 'node:child_process'
import { appendFileSync, chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { type Account, serverAccount } from './account.ts'
import { localCertificate } from './certificates.ts'
import { copyFor, privateFolder, readIfThere } from './folder.ts'
import { findPrograms } from './postgres-programs.ts'
import { foundServer, PrivateServer, type Program } from './private-server.ts'
import type { MaybeFoundServer } from './running.ts'

/** How a private server is made. */
export interface PostgresOptions {
  /**
   * Where the server's programs come from. Default: an address in `FORKSAFE_PG_URL`, for which nothing is started; else
   * what `FORKSAFE_PG_SOURCE` says; else programs installed on this machine, the embedded ones, and for root Debian's
   * package.
   */
  source?: 'machine' | 'embedded' | 'debian'
  /** Start a server also if `FORKSAFE_PG_URL` names one: to stop it, or to configure it. Default false. */
  own?: boolean
  /** Serve TLS too, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Lines for `postgresql.conf`. */
  settings?: Record<string, string>
  /** Roles that log in over TCP with a password (SCRAM), by name. The user `postgres` needs none. */
  roles?: Record<string, string>
  /** Start as a copy of this server, which is stopped meanwhile, and follow it as its standby. */
  standbyOf?: PostgresServer
}

/** `'fast'` ends every session politely, `'immediate'` is a crash. */
export type StopMode = 'fast' | 'immediate'

/** A running PostgreSQL. */
export interface PostgresServer extends MaybeFoundServer {
  /** Connects as `user`, without TLS. */
  readonly url: string
  /** The folder of its Unix socket; `undefined` for a server that was only found. */
  readonly socketDir: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** As in `'18.4'`. */
  readonly version: string
  readonly source: 'url' | 'machine' | 'embedded' | 'debian'
  stopServer(mode?: StopMode): Promise<void>
  restart(mode?: StopMode): Promise<void>
}

const USER = 'postgres'
const STOP_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/**
 * Starts a private PostgreSQL on 127.0.0.1.
 * @throws at once if there is none, with a message that says what to install or to set.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const url = process.env['FORKSAFE_PG_URL']
  if (url && options.source === undefined && !options.own) return await found(url)

  const account = serverAccount(USER)
  return await new PrivatePostgres(
    privateFolder('forksafe-pg-', account),
    account,
    options,
  ).create()
}

function sourceOfEnvironment(): PostgresOptions['source'] {
  const source = process.env['FORKSAFE_PG_SOURCE']
  if (!source) return undefined
  if (source === 'machine' || source === 'embedded' || source === 'debian') return source
  throw new Error(
    `Expected FORKSAFE_PG_SOURCE to be machine, embedded or debian, got \`${source}\``,
  )
}

async function found(url: string): Promise<PostgresServer> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
  } catch (error) {
    throw new Error('Cannot connect to the server that FORKSAFE_PG_URL names', { cause: error })
  }
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return {
    ...foundServer('FORKSAFE_PG_URL'),
    url,
    host: client.host,
    port: client.port,
    socketDir: undefined,
    user: client.user ?? USER,
    password: client.password ?? undefined,
    database: client.database ?? USER,
    version: rows[0]?.server_version.split(' ', 1)[0] ?? '',
  }
}

class PrivatePostgres extends PrivateServer implements PostgresServer {
  readonly user = USER
  readonly password = undefined
  readonly database = 'postgres'
  version = ''
  source: Exclude<PostgresServer['source'], 'url'> = 'machine'
  ca: string | undefined
  readonly #options: PostgresOptions
  #bin = ''

  constructor(folder: string, account: Account, options: PostgresOptions) {
    // If this process is gone, nobody needs the data: a crash is the quickest end.
    super(folder, account, { stop: STOP_SIGNALS.fast, end: [STOP_SIGNALS.immediate, 'SIGKILL'] })
    this.#options = options
  }

  get url(): string {
    return `postgres://${USER}@${this.host}:${this.port}/${this.database}`
  }

  get socketDir(): string {
    return this.folder
  }

  get #data(): string {
    return join(this.folder, 'data')
  }

  get #env(): NodeJS.ProcessEnv {
    const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'))
    return { ...Object.fromEntries(ours), HOME: this.folder, LC_ALL: 'C' }
  }

  override async create(): Promise<this> {
    await super.create()
    try {
      await this.#createRoles()
      return this
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  override async stopServer(mode: StopMode = 'fast'): Promise<void> {
    await this.stopBy(STOP_SIGNALS[mode])
  }

  override async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stopServer(mode)
    await this.startServer()
  }

  protected override async prepare(): Promise<void> {
    const source = this.#options.source ?? sourceOfEnvironment()
    const programs = await findPrograms(source, this.account, this.folder)
    this.#bin = programs.bin
    this.version = programs.version
    this.source = programs.source
    const { settings = {}, standbyOf } = this.#options
    if (standbyOf === undefined) await this.#initialise(settings)
    else await this.#copy(standbyOf, settings)
  }

  protected override program(): Program {
    // After a crash, this file would be taken for a running server if its process number is in use again.
    rmSync(join(this.#data, 'postmaster.pid'), { force: true })
    return {
      name: `PostgreSQL ${this.version}`,
      command: join(this.#bin, 'postgres'),
      args: ['-D', this.#data, '-p', String(this.port)],
      env: this.#env,
      isReady: (_log, pid) => this.#isReady(pid),
    }
  }

  async #initialise(settings: Record<string, string>): Promise<void> {
    const { roles = {}, tls = true } = this.#options
    const how = `-U ${USER} -A trust --no-sync --no-locale -E UTF8`.split(' ')
    const options = { ...this.account, env: this.#env, cwd: this.folder }
    await promisify(execFile)(join(this.#bin, 'initdb'), ['-D', this.#data, ...how], options)
    this.#set({
      listen_addresses: this.host,
      unix_socket_directories: this.socketDir,
      fsync: 'off',
      full_page_writes: 'off',
      synchronous_commit: 'off',
      ...(tls ? await this.#certify() : {}),
      ...settings,
    })
    const rules = join(this.#data, 'pg_hba.conf')
    const asked = Object.keys(roles).map(
      (role) => `host all "${role}" ${this.host}/32 scram-sha-256\n`,
    )
    writeFileSync(rules, asked.join('') + readFileSync(rules, 'utf8'))
  }

  async #certify(): Promise<Record<string, string>> {
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    return {
      ssl: 'on',
      ssl_cert_file: this.write('server.crt', cert),
      ssl_key_file: this.write('server.key', key),
    }
  }

  /** Copies the primary's data while it is stopped: pg_basebackup is not among the embedded programs. */
  async #copy(primary: PostgresServer, settings: Record<string, string>): Promise<void> {
    if (primary.folder === undefined) throw new Error('Expected a primary that was started here')
    await primary.stopServer()
    copyFor(join(primary.folder, 'data'), this.#data, this.account)
    chmodSync(this.#data, 0o700) // Some versions of Node do not copy the mode.
    await primary.startServer()
    const { host, port, user } = primary
    this.#set({
      unix_socket_directories: this.socketDir,
      primary_conninfo: `host=${host} port=${port} user=${user}`,
      ...settings,
    })
    writeFileSync(join(this.#data, 'standby.signal'), '')
  }

  #set(settings: Record<string, string>): void {
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`,
    )
    appendFileSync(join(this.#data, 'postgresql.conf'), lines.join(''))
  }

  /** pg_ctl looks at the same lines of the same file. */
  #isReady(pid: number): boolean {
    const lines = readIfThere(join(this.#data, 'postmaster.pid'))?.split('\n') ?? []
    return Number(lines[0]) === pid && ['ready', 'standby'].includes(lines[7]?.trim() ?? '')
  }

  async #createRoles(): Promise<void> {
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
