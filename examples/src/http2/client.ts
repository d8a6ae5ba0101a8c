import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

/** The address of a server. */
export interface Http2Address {
  readonly host: string
  readonly port: number
  /** The options of TLS. Without them, the server must speak HTTP/2 without TLS (h2c). */
  readonly tls?: ConnectionOptions
}

export interface Http2Request {
  readonly path: string
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
}

export interface Http2Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One session, which is one connection. */
export class Http2Client {
  /** The bare socket, also with TLS. */
  readonly socket = new Socket()
  /** Resolves once the server has sent its settings. A full server or one that hangs accepts the connection before that. */
  readonly ready: Promise<void>
  /** Resolves once the connection has ended, with the reason. */
  readonly ended: Promise<Error>
  /** Called when the server announces that it will end the session. */
  onGoaway = (): void => undefined
  readonly #session: ClientHttp2Session
  readonly #streams = new Set<ClientHttp2Stream>()

  constructor({ host, port, tls }: Http2Address) {
    this.socket.connect(port, host)
    const stream = tls
      ? connectTls({ socket: this.socket, host, ALPNProtocols: ['h2'], ...tls })
      : this.socket
    const scheme = tls ? 'https' : 'http'
    this.#session = connect(`${scheme}://${host}:${port}`, { createConnection: () => stream })
    let reason = new Error('The session ended.')
    const fail = (error: Error): void => void (reason = error)
    // Without a listener, an error would crash the process.
    this.#session.on('error', fail)
    stream.on('error', fail)
    if (stream !== this.socket) this.socket.on('error', fail)
    this.#session.on('goaway', () => this.onGoaway())
    this.ended = new Promise((resolve) => this.socket.on('close', () => resolve(reason)))
    this.ready = new Promise((resolve, reject) => {
      this.#session.once('remoteSettings', () => resolve())
      void this.ended.then(reject)
    })
    this.ready.catch(() => undefined) // Nobody may wait for it.
  }

  /** Whether the session takes another request. */
  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed && this.socket.writable
  }

  /** Whether as many requests are in flight as the server allows. */
  get full(): boolean {
    const { maxConcurrentStreams = Infinity } = this.#session.remoteSettings
    return this.#streams.size >= maxConcurrentStreams
  }

  async request({ path, method = 'GET', headers, body }: Http2Request): Promise<Http2Response> {
    const stream = this.#session.request({ ':path': path, ':method': method, ...headers })
    this.#streams.add(stream)
    stream.once('close', () => this.#streams.delete(stream))
    return new Promise((resolve, reject) => {
      let received: IncomingHttpHeaders = {}
      let text = ''
      stream.on('response', (headers) => (received = headers))
      stream.setEncoding('utf8').on('data', (part: string) => (text += part))
      stream.on('error', reject)
      stream.on('end', () => {
        // A stream that was cancelled ends, too, but not with an answer.
        if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) return
        resolve({ status: Number(received[':status']), headers: received, body: text })
      })
      stream.on('close', () => reject(new Error('The request was cancelled.')))
      stream.end(body)
    })
  }

  /** Asks the server whether it is still there. */
  ping(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#session.ping((error) => (error ? reject(error) : resolve(true)))
    })
  }

  /** Cancels the requests in flight. If there are none, returns at once. */
  cancelAll(): Promise<void> | undefined {
    if (this.#streams.size === 0) return undefined
    for (const stream of this.#streams) stream.close(constants.NGHTTP2_CANCEL)
    // The server answers in order: then it has read the cancellations.
    return this.ping().then(() => undefined)
  }

  /** Ends the session by GOAWAY. Resolves when the connection is closed. */
  async close(): Promise<void> {
    for (const stream of this.#streams) stream.close(constants.NGHTTP2_CANCEL)
    this.#session.close()
    await this.ended
  }

  /** Closes the connection without a frame. */
  letGo(): void {
    this.socket.destroy()
  }
}
