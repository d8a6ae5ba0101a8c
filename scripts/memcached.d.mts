/** How a private server is made. */
export interface MemcachedOptions {
  /** Serve TLS too, on a port of its own, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Its descriptors, of which it takes two dozen for itself: whoever connects after that is refused. Default 1024. */
  maxConnections?: number
}

/** A running memcached. It ends, and its folder goes, with the process that started it. */
export interface MemcachedServer extends AsyncDisposable {
  readonly host: string
  /** Without TLS. */
  readonly port: number
  /** With TLS; `undefined` without. */
  readonly tlsPort: number | undefined
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS. */
  readonly ca: string | undefined
  /** As in `'1.6.18'`. */
  readonly version: string
  readonly source: 'machine' | 'debian'
  /** What the server has written to its log so far: each command that came, on which connection, and each end of one. */
  log(): string
  /** Stops the server and removes its folder. May be called again. */
  stop(): Promise<void>
  /** An outage, by a crash: the ports stay. */
  stopServer(): Promise<void>
  /** Ends an outage. Resolves when it listens. */
  startServer(): Promise<void>
  /** `stopServer`, then `startServer`. */
  restart(): Promise<void>
}

/**
 * Starts a private memcached on 127.0.0.1.
 * @throws at once if there is none to be had, saying what to install.
 */
export function startMemcached(options?: MemcachedOptions): Promise<MemcachedServer>
