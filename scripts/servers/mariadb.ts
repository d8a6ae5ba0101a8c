import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Account, canRun, serverAccount } from './account.ts'
import { localCertificate } from './certificates.ts'
import { findOrInstall, lookFor, pathFolders, type Source, type Wanted } from './find-program.ts'
import { privateFolder } from './folder.ts'
import { foundServer, PrivateServer, type Program } from './private-server.ts'
import type { MaybeFoundServer } from './running.ts'

/** How a private server is made. */
export interface MariadbOptions {
  /** Start a server also if `FORKSAFE_MYSQL_URL` names one: to stop it, or to configure it. Default false. */
  own?: boolean
  /** Serve TLS too, on the same port, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Server variables, as in `my.cnf`. */
  settings?: Record<string, string>
  /** Users that log in with a password, by name. `root` needs none. */
  users?: Record<string, string>
}

/** A running MariaDB, or a MySQL that was found. */
export interface MariadbServer extends MaybeFoundServer {
  /** Its Unix socket; `undefined` for a server that was only found. */
  readonly socketPath: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** As in `'10.11.19'`; `undefined` for a server that was only found. */
  readonly version: string | undefined
  readonly source: 'url' | Source
}

interface Programs {
  readonly server: string
  readonly installer: string
  readonly version: string
  readonly source: Source
}

const DEFAULT_PORT = 3306
const USER = 'root'
const DATABASE = 'forksafe'
const WANTED: Wanted = {
  names: ['mariadbd'],
  places: ['/usr/sbin', '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
  args: ['--no-defaults', '--version'],
  version: /(\d+\.\d+\.\d+)(?=-MariaDB)/,
  // Since then its programs have these names.
  oldest: [10, 5],
  // They have no service, which `mariadb-server` would start.
  packages: ['mariadb-server-core', 'mariadb-client-core'],
  missing:
    'Found no MariaDB that can be run. Install MariaDB 10.5 or later so that mariadbd and mariadb-install-db are in ' +
    'PATH, or set FORKSAFE_MYSQL_URL to the address of a running server.',
}

/**
 * Starts a private MariaDB on 127.0.0.1.
 * @throws at once if there is none, with a message that says what to install or to set.
 */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  const url = process.env['FORKSAFE_MYSQL_URL']
  if (url && !options.own) return found(new URL(url))

  const account = serverAccount('mysql')
  const programs = await findPrograms(account)
  const folder = privateFolder('forksafe-mariadb-', account)
  return await new PrivateMariadb(folder, account, programs, options).create()
}

async function findPrograms(account: Account): Promise<Programs> {
  const look = () => {
    const server = lookFor(account, WANTED)
    const installer = installerFor(account)
    return server && installer
      ? { server: server.path, version: server.version, installer }
      : undefined
  }
  const { program, source } = await findOrInstall(look, WANTED.packages, WANTED.missing)
  return { ...program, source }
}

/** The installer is a script without a version: it answers every argument with success. */
function installerFor(account: Account): string | undefined {
  return [...pathFolders(), ...WANTED.places]
    .map((place) => join(place, 'mariadb-install-db'))
    .find((path) => canRun(account, '/bin/sh', ['-c', 'test -f "$0" && test -x "$0"', path]))
}

function found({ hostname, port, username, password, pathname }: URL): MariadbServer {
  return {
    ...foundServer('FORKSAFE_MYSQL_URL'),
    host: hostname,
    port: Number(port) || DEFAULT_PORT,
    socketPath: undefined,
    user: decodeURIComponent(username) || USER,
    password: decodeURIComponent(password) || undefined,
    database: decodeURIComponent(pathname.slice(1)) || DATABASE,
    version: undefined,
  }
}

class PrivateMariadb extends PrivateServer implements MariadbServer {
  readonly user = USER
  readonly password = undefined
  readonly database = DATABASE
  readonly version
  readonly source
  readonly socketPath = join(this.folder, 'mariadb.sock')
  ca: string | undefined
  readonly #data = join(this.folder, 'data')
  /** A server that starts removes the temporary tables of others that use the same folder for them. */
  readonly #env = { ...process.env, TMPDIR: this.folder }
  readonly #programs: Programs
  readonly #options: MariadbOptions
  /** Lines for its configuration. */
  #tls: Record<string, string> = {}

  constructor(folder: string, account: Account, programs: Programs, options: MariadbOptions) {
    super(folder, account)
    this.version = programs.version
    this.source = programs.source
    this.#programs = programs
    this.#options = options
  }

  protected override async prepare(): Promise<void> {
    const how = [`--datadir=${this.#data}`, '--auth-root-authentication-method=normal']
    await promisify(execFile)(
      this.#programs.installer,
      ['--no-defaults', ...how, '--skip-test-db', '--skip-name-resolve'],
      { ...this.account, cwd: this.folder, env: this.#env },
    )
    if (this.#options.tls === false) return
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    this.#tls = {
      ssl_cert: this.write('server.crt', cert),
      ssl_key: this.write('server.key', key),
      ssl_ca: this.write('ca.crt', ca),
    }
  }

  protected override async configure(): Promise<void> {
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
      skip_name_resolve: 'ON',
      init_file: this.write('init.sql', `${statements.join('\n')}\n`),
      // Its data need not survive a crash of the machine.
      innodb_flush_log_at_trx_commit: '0',
      ...this.#tls,
      ...settings,
    }
    const text = Object.entries(lines).map(([name, value]) => `${name} = ${value}\n`)
    this.write('my.cnf', `[mariadbd]\n${text.join('')}`)
  }

  protected override program(): Program {
    return {
      name: `MariaDB ${this.version}`,
      command: this.#programs.server,
      args: [`--defaults-file=${join(this.folder, 'my.cnf')}`],
      env: this.#env,
      isReady: (log) => log.includes('ready for connections'),
    }
  }
}

function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`
}
