/** How a private server is made. */
export interface PostgresOptions {
  /**
   * Where the server's programs come from. Default: an address in `FORKSAFE_PG_URL`, for which nothing is started;
   * else what `FORKSAFE_PG_SOURCE` says; else programs installed on this machine, the embedded ones, and for root
   * Debian's package.
   */
  source?: 'machine' | 'embedded' | 'debian'
  /** Start a server also where `FORKSAFE_PG_URL` names one: to stop it, or to set it up. Default false. */
  own?: boolean
  /** Serve TLS too, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Lines for `postgresql.conf`. */
  settings?: Record<string, string>
  /** Roles that log in over TCP with a password (SCRAM), by name. The user `postgres` needs none. */
  roles?: Record<string, string>
  /** Begin as a copy of this one, which is stopped for it and started again, and follow it as its standby. */
  standbyOf?: PostgresServer
}

/** `'fast'` ends every session politely, `'immediate'` is a crash. */
export type StopMode = 'fast' | 'immediate'

/** A running PostgreSQL. It ends, and its folder goes, with the process that started it. */
export interface PostgresServer extends AsyncDisposable {
  /** Connects as `user`, without TLS. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** The folder of its Unix socket; `undefined` for a server that was only found. */
  readonly socketDir: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** As in `'18.4'`. */
  readonly version: string
  readonly source: 'url' | 'machine' | 'embedded' | 'debian'
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS or a server of ours. */
  readonly ca: string | undefined
  /** The private folder; `undefined` for a server that was only found. */
  readonly folder: string | undefined
  /** What the server has written to its log so far. */
  log(): string
  /** Stops the server and removes its folder. May be called again. Does nothing to a server that was only found. */
  stop(): Promise<void>
  /** An outage: the folder and the port stay. @throws if the server is not ours. */
  stopServer(mode?: StopMode): Promise<void>
  /** Ends an outage. @throws if the server is not ours. */
  startServer(): Promise<void>
  /** `stopServer`, then `startServer`. */
  restart(mode?: StopMode): Promise<void>
}

/**
 * Starts a private PostgreSQL on 127.0.0.1.
 * @throws at once if there is none to be had, saying what to install or to set.
 */
export function startPostgres(options?: PostgresOptions): Promise<PostgresServer>
