import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Account, serverAccount } from '../account.ts'
import { type Certificate, localCertificate } from '../certificates.ts'
import { findProgram, type Found, type Source, type Wanted } from '../find-program.ts'
import { privateFolder } from '../folder.ts'
import { freePort } from '../port.ts'
import { foundServer, PrivateServer, type Program } from '../private-server.ts'
import type { MaybeFoundServer } from '../running.ts'

/** How a private server is made. */
export interface RedisOptions {
  /** Start a server also if `FORKSAFE_REDIS_URL` names one: to stop it, or to configure it. Default false. */
  own?: boolean
  /** Serve TLS too, on a port of its own, with a certificate made for this server. Default true. */
  tls?: boolean
  /** The password of every client. Default: none. */
  password?: string
  /** Lines for `redis.conf`. */
  settings?: Record<string, string>
}

/** A running Redis. */
export interface RedisServer extends MaybeFoundServer {
  /** With TLS; `undefined` without, or for a server that was only found. */
  readonly tlsPort: number | undefined
  /** Its Unix socket; `undefined` for a server that was only found. */
  readonly socketPath: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  /** As in `'7.0.15'`; `undefined` for a server that was only found. */
  readonly version: string | undefined
  readonly source: 'url' | Source
  /** Starts a stopped server again. Resolves when it listens: it may still be loading. @throws if it was only found. */
  startServer(): Promise<void>
}

/** `sentinel`: a sentinel, instead of a server with data. `certificate`: one that other servers have as well. */
export interface PrivateOptions extends RedisOptions {
  sentinel?: boolean
  certificate?: Certificate | undefined
}

const DEFAULT_PORT = 6379
/** The program acts according to the name it is called by. */
const CALLED = 'redis-server'
const WANTED: Wanted = {
  // Debian has it in `redis-tools` under the second name, without the service that `redis-server` would start.
  names: [CALLED, 'redis-check-rdb'],
  places: ['/usr/local/bin', '/opt/homebrew/bin', '/usr/bin'],
  argv0: CALLED,
  version: /\bv=(\d+(\.\d+)+)/,
  oldest: [6, 0],
  packages: ['redis-tools'],
  missing:
    'Found no Redis that can be run. Install Redis 6 or later so that redis-server is in PATH, ' +
    'or set FORKSAFE_REDIS_URL to the address of a running server.',
}
/** A replica gets its copy at once, not after five seconds in which others might ask for one too. */
export const PROMPT_REPLICATION = { 'repl-diskless-sync-delay': '0' }

/**
 * Starts a private Redis on 127.0.0.1, which saves nothing unless its settings say so.
 * @throws at once if there is none, with a message that says what to install or to set.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const url = process.env['FORKSAFE_REDIS_URL']
  return url && !options.own ? found(new URL(url)) : await startPrivate(options)
}

export async function startPrivate(options: PrivateOptions): Promise<RedisServer> {
  const account = serverAccount('redis')
  const program = await findProgram(account, WANTED)
  const folder = privateFolder('forksafe-redis-', account)
  return await new PrivateRedis(folder, account, program, options).create()
}

function found({ hostname, port, username, password }: URL): RedisServer {
  return {
    ...foundServer('FORKSAFE_REDIS_URL'),
    host: hostname,
    port: Number(port) || DEFAULT_PORT,
    tlsPort: undefined,
    socketPath: undefined,
    username: decodeURIComponent(username) || undefined,
    password: decodeURIComponent(password) || undefined,
    version: undefined,
  }
}

class PrivateRedis extends PrivateServer implements RedisServer {
  readonly username = undefined
  readonly password
  readonly version
  readonly source
  readonly socketPath = join(this.folder, 'redis.sock')
  tlsPort: number | undefined
  ca: string | undefined
  readonly #called = join(this.folder, CALLED)
  readonly #options: PrivateOptions
  /** Lines for its configuration. */
  #tls: Record<string, string> = {}

  constructor(
    folder: string,
    account: Account,
    { path, version, source }: Found & { source: Source },
    options: PrivateOptions,
  ) {
    super(folder, account)
    this.password = options.password
    this.version = version
    this.source = source
    this.#options = options
    symlinkSync(path, this.#called)
  }

  protected override async prepare(): Promise<void> {
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

  protected override async configure(): Promise<void> {
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

  protected override program(): Program {
    const { sentinel = false } = this.#options
    // It listens before it loads what it had saved.
    const sign = sentinel ? 'Sentinel ID is' : 'Server initialized'
    return {
      name: `Redis ${this.version}`,
      command: this.#called,
      args: [join(this.folder, 'redis.conf'), ...(sentinel ? ['--sentinel'] : [])],
      isReady: (log) => log.includes(sign),
    }
  }
}

/** Several words are several arguments. */
function quote(text: string): string {
  return /\s/.test(text) ? text : JSON.stringify(text)
}
