/** `fromClient` is what the client end wrote, in whichever process; `fromServer` what the server wrote. */
export type Direction = 'fromClient' | 'fromServer'

/** A server to stand in front of: TCP, or a Unix socket. `host` is 127.0.0.1 unless told. */
export type ProxyTarget = { host?: string; port: number } | { path: string }

/** One thing that the proxy saw, in the order in which it saw them. */
export type ProxyRecord = {
  /** Number of the connection, from 1 in the order of acceptance. */
  readonly connection: number
  /** `Date.now()` of the proxy. */
  readonly at: number
} & (
  | { readonly kind: 'open'; readonly openedBy: number | undefined }
  | { readonly kind: 'data'; readonly direction: Direction; readonly bytes: Buffer }
  /** A FIN. */
  | { readonly kind: 'end'; readonly direction: Direction }
  /** A RST; from the server also when it could not be reached. */
  | { readonly kind: 'reset'; readonly direction: Direction }
)

/** One connection through the proxy, as it is now. */
export interface ProxyConnection {
  /** From 1 in the order of acceptance. */
  readonly id: number
  /** The client end's TCP port; `undefined` where the proxy listens on a Unix socket. */
  readonly clientPort: number | undefined
  /**
   * The process that opened it: whoever held the client end when the proxy accepted it, the oldest if a fork had
   * copied it by then. `undefined` if nobody did any more, it belongs to another user, or the proxy listens on a Unix
   * socket.
   */
  readonly openedBy: number | undefined
  /**
   * The processes that hold the client end now. A forked child is one until it lets go of its copy. Empty where the
   * proxy listens on a Unix socket: there is no telling.
   */
  readonly holders: readonly number[]
  /** How many bytes the client has written so far. */
  readonly bytesFromClient: number
  /** How many bytes the server has. */
  readonly bytesFromServer: number
  /** Whether the proxy still serves it. */
  readonly open: boolean
}

/** Which connections a fault meets: one, or all of them and those to come. */
export interface FaultScope {
  /** A {@link ProxyConnection.id}. Default: all, and those to come. */
  connection?: number
}

/** What the two sides say to each other: one line of JSON there, one `v8.serialize`d {@link Reply} back. */
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

/** What the proxy's process prints, as JSON, when it is ready. */
export interface Ports {
  /** Where clients connect to; 0 where it is a Unix socket. */
  readonly port: number
  /** Where requests go. */
  readonly controlPort: number
}
