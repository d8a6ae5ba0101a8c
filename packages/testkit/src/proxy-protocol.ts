/** The direction of traffic. `fromClient` is what any process with the client end wrote; `fromServer` is what the server wrote. */
export type Direction = 'fromClient' | 'fromServer'

/** The address of a server: TCP, or a Unix socket. Default `host`: 127.0.0.1. */
export type ProxyTarget = { host?: string; port: number } | { path: string }

/** One event on a connection. Records are in the order in which the proxy saw them. */
export type ProxyRecord = {
  /** The id of the connection, from 1 in the order of acceptance. */
  readonly connection: number
  /** The time, as `Date.now()` of the proxy. */
  readonly at: number
} & (
  | { readonly kind: 'open'; readonly openedBy: number | undefined }
  | { readonly kind: 'data'; readonly direction: Direction; readonly bytes: Buffer }
  /** A FIN. */
  | { readonly kind: 'end'; readonly direction: Direction }
  /** A RST. From the server, also if it could not be reached. */
  | { readonly kind: 'reset'; readonly direction: Direction }
)

/** The current state of a connection through the proxy. */
export interface ProxyConnection {
  /** The id, from 1 in the order of acceptance. */
  readonly id: number
  /** The client's TCP port; `undefined` if the proxy listens on a Unix socket. */
  readonly clientPort: number | undefined
  /**
   * The pid of the process that opened it: the oldest one that held the client end when the proxy accepted it. `undefined` if
   * none held it any more, if it belongs to another user, or if the proxy listens on a Unix socket.
   */
  readonly openedBy: number | undefined
  /**
   * The pids of the processes that hold the client end now, including a forked child that has not closed its copy. Empty if the
   * proxy listens on a Unix socket.
   */
  readonly holders: readonly number[]
  /** The number of bytes that the client has written so far. */
  readonly bytesFromClient: number
  /** The number of bytes that the server has written so far. */
  readonly bytesFromServer: number
  /** Whether the proxy still forwards it. */
  readonly open: boolean
}

/** Selects the connections that a fault affects. */
export interface FaultScope {
  /** A {@link ProxyConnection.id}. Default: all connections, including future ones. */
  connection?: number
}

/** A request to the proxy's process: one line of JSON. The answer is a {@link Reply}, by `v8.serialize`. */
export type Request =
  | { op: 'mark' }
  | { op: 'records'; since: number; openedBefore: number | undefined }
  | { op: 'connections' }
  | { op: 'hold'; connection: number | undefined; direction: Direction | undefined }
  | { op: 'resume'; connection: number | undefined; direction: Direction | undefined }
  | { op: 'pass'; connection: number | undefined; direction: Direction | undefined }
  | { op: 'delay'; connection: number | undefined; millis: number }
  | { op: 'cut'; connection: number | undefined; how: 'reset' | 'end' }
  | { op: 'refuse' }
  | { op: 'accept' }

export type Reply = { ok: true; value: unknown } | { ok: false; message: string }

/** The line that the proxy's process prints, as JSON, once it is ready. */
export interface Ports {
  /** The port for clients; 0 for a Unix socket. */
  readonly port: number
  /** The port for requests. */
  readonly controlPort: number
}
