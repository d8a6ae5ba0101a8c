import { type Account, serverAccount } from './account.ts'
import { localCertificate } from './certificates.ts'
import { findProgram, type Found, type Source, type Wanted } from './find-program.ts'
import { privateFolder } from './folder.ts'
import { freePort } from './port.ts'
import { PrivateServer, type Program } from './private-server.ts'
import type { RunningServer } from './running.ts'

/** How a private server is made. */
export interface MemcachedOptions {
  /** Serve TLS too, on a port of its own, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Its descriptors, of which it takes two dozen for itself. It refuses the connections beyond that. Default 1024. */
  maxConnections?: number
}

/** A running memcached. Its log has each command, with its connection, and the end of each connection. */
export interface MemcachedServer extends RunningServer {
  /** With TLS; `undefined` without. */
  readonly tlsPort: number | undefined
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS. */
  readonly ca: string | undefined
  /** As in `'1.6.18'`. */
  readonly version: string
  readonly source: Source
}

const MAX_CONNECTIONS = 1024
const WANTED: Wanted = {
  names: ['memcached'],
  places: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
  version: /^memcached (\d+(\.\d+)+)/,
  // Since then it serves TLS and plain connections side by side.
  oldest: [1, 6],
  packages: ['memcached'],
  missing:
    'Found no memcached that can be run. Install memcached 1.6 or later so that it is in PATH.',
}

/**
 * Starts a private memcached on 127.0.0.1.
 * @throws at once if there is none, with a message that says what to install.
 */
export async function startMemcached(options: MemcachedOptions = {}): Promise<MemcachedServer> {
  const account = serverAccount('memcache')
  const program = await findProgram(account, WANTED)
  const folder = privateFolder('forksafe-memcached-', account)
  return await new PrivateMemcached(folder, account, program, options).create()
}

class PrivateMemcached extends PrivateServer implements MemcachedServer {
  readonly version
  readonly source
  tlsPort: number | undefined
  ca: string | undefined
  readonly #path: string
  readonly #options: MemcachedOptions

  constructor(
    folder: string,
    account: Account,
    { path, version, source }: Found & { source: Source },
    options: MemcachedOptions,
  ) {
    super(folder, account)
    this.version = version
    this.source = source
    this.#path = path
    this.#options = options
  }

  protected override async prepare(): Promise<void> {
    if (this.#options.tls === false) return
    const { ca, cert, key } = await localCertificate()
    this.ca = ca
    this.write('server.crt', cert)
    this.write('server.key', key)
  }

  protected override async configure(): Promise<void> {
    this.tlsPort = this.ca === undefined ? undefined : await freePort()
  }

  protected override program(): Program {
    const ports = this.tlsPort === undefined ? 1 : 2
    return {
      name: `memcached ${this.version}`,
      command: this.#path,
      args: this.#args(),
      isReady: (log) => log.split('server listening').length > ports,
    }
  }

  #args(): string[] {
    const limit = String(this.#options.maxConnections ?? MAX_CONNECTIONS)
    // -vv: it logs each command, and when it listens.
    const always = ['-U', '0', '-c', limit, '-vv']
    const plain = `${this.host}:${this.port}`
    if (this.tlsPort === undefined) return [...always, '-l', plain]
    const files = 'ssl_chain_cert=server.crt,ssl_key=server.key'
    return [...always, '-l', `notls:${plain},${this.host}:${this.tlsPort}`, '-Z', '-o', files]
  }
}
