/** How a private server is made. */
export interface MariadbOptions {
  /** Start a server also where `FORKSAFE_MYSQL_URL` names one: to stop it, or to set it up. Default false. */
  own?: boolean
  /** Serve TLS too, on the same port, with a certificate made for this server. Default true. */
  tls?: boolean
  /** Server variables, as in `my.cnf`. */
  settings?: Record<string, string>
  /** Users that log in with a password, by name. `root` needs none. */
  users?: Record<string, string>
}

/** A running MariaDB, or a MySQL that was found. It ends, and its folder goes, with the process that started it. */
export interface MariadbServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Its Unix socket; `undefined` for a server that was only found. */
  readonly socketPath: string | undefined
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS or a server of ours. */
  readonly ca: string | undefined
  /** As in `'10.11.19'`; `undefined` for a server that was only found. */
  readonly version: string | undefined
  readonly source: 'url' | 'machine' | 'debian'
  /** The private folder; `undefined` for a server that was only found. */
  readonly folder: string | undefined
  /** What the server has written to its log so far. */
  log(): string
  /** Stops the server and removes its folder. May be called again. Does nothing to a server that was only found. */
  stop(): Promise<void>
  /** An outage, by a crash: the folder and the port stay. @throws if the server is not ours. */
  stopServer(): Promise<void>
  /** Ends an outage. @throws if the server is not ours. */
  startServer(): Promise<void>
  /** `stopServer`, then `startServer`. */
  restart(): Promise<void>
}

/**
 * Starts a private MariaDB on 127.0.0.1.
 * @throws at once if there is none to be had, saying what to install or to set.
 */
export function startMariadb(options?: MariadbOptions): Promise<MariadbServer>
