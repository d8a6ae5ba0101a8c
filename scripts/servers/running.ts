/** A server for tests. A private one ends, and its folder goes, with the process that started it. */
export interface RunningServer extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Everything that the server has logged so far. */
  log(): string
  /** Stops the server and removes its folder. May be called again. Does nothing to a server that was only found. */
  stop(): Promise<void>
  /** Crashes the server; its folder and its ports stay. @throws if the server was only found. */
  stopServer(): Promise<void>
  /** Starts a stopped server again. Resolves when it listens. @throws if the server was only found. */
  startServer(): Promise<void>
  /** `stopServer`, then `startServer`. */
  restart(): Promise<void>
}

/** A server that is private, or was found at an address in the environment. */
export interface MaybeFoundServer extends RunningServer {
  /** The PEM certificate that vouches for `127.0.0.1` and `localhost`; `undefined` without TLS or for a found server. */
  readonly ca: string | undefined
  /** The private folder; `undefined` for a server that was only found. */
  readonly folder: string | undefined
}
