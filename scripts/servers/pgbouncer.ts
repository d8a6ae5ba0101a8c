import { type Account, serverAccount } from './account.ts'
import { findProgram, type Found, type Wanted } from './find-program.ts'
import { privateFolder } from './folder.ts'
import type { PostgresServer } from './postgres.ts'
import { PrivateServer, type Program } from './private-server.ts'
import type { RunningServer } from './running.ts'

/** How a private PgBouncer is made. */
export interface PgBouncerOptions {
  /** The server behind it. */
  server: Pick<PostgresServer, 'host' | 'port'>
  /** How long a client keeps a server connection: as long as it stays, or for a transaction. */
  mode: 'session' | 'transaction'
  /** Roles and their passwords (SCRAM). Default: `postgres`, which needs none. */
  roles?: Record<string, string>
  /** Lines for the section `[pgbouncer]` of its configuration. */
  settings?: Record<string, string>
}

/** A running PgBouncer. */
export interface PgBouncer extends RunningServer {
  /** As in `'1.18.0'`. */
  readonly version: string
}

const WANTED: Wanted = {
  names: ['pgbouncer'],
  // Debian's place for it is not in everybody's PATH.
  places: ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'],
  version: /(\d+(\.\d+)+)/,
  oldest: [0, 0],
  packages: ['pgbouncer'],
  missing:
    'Found no PgBouncer that can be run. Install it so that pgbouncer is in PATH or /usr/sbin.',
}

/** Whether a PgBouncer can be started here, with the reason why not. As root on Debian, installs one that is missing. */
export async function pgBouncerSupported(): Promise<
  { readonly supported: true } | { readonly supported: false; readonly reason: string }
> {
  try {
    await findProgram(serverAccount('postgres'), WANTED)
    return { supported: true }
  } catch (error) {
    return { supported: false, reason: (error as Error).message }
  }
}

/**
 * Starts a private PgBouncer on 127.0.0.1.
 * @throws at once if there is none, with a message that says what to install.
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const account = serverAccount('postgres')
  const program = await findProgram(account, WANTED)
  const folder = privateFolder('forksafe-pgbouncer-', account)
  return await new PrivatePgBouncer(folder, account, program, options).create()
}

class PrivatePgBouncer extends PrivateServer implements PgBouncer {
  readonly version
  readonly #path: string
  readonly #options: PgBouncerOptions
  #configuration = ''

  constructor(
    folder: string,
    account: Account,
    { path, version }: Found,
    options: PgBouncerOptions,
  ) {
    super(folder, account)
    this.version = version
    this.#path = path
    this.#options = options
  }

  protected override async configure(): Promise<void> {
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

  protected override program(): Program {
    return {
      name: `PgBouncer ${this.version}`,
      command: this.#path,
      args: [this.#configuration],
      isReady: (log) => log.includes('process up'),
    }
  }
}

function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}
