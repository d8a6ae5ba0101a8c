import { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

/** The address of a memcached server. */
export interface MemcachedAddress {
  readonly host: string
  readonly port: number
  /** The options of TLS, if it is used. */
  readonly tls?: ConnectionOptions
}

interface Asker {
  resolve(answer: Answer): void
  reject(error: Error): void
}

interface Answer {
  /** The first line of the answer. */
  readonly line: string
  /** The data of a `VALUE`. */
  readonly value?: string
}

/** One connection to memcached, over its text protocol, in which commands are answered in order. */
export class MemcachedClient {
  /** The bare socket, also with TLS. */
  readonly socket = new Socket()
  /** Resolves once the connection has ended, with the reason. */
  readonly ended: Promise<Error>
  readonly #stream: Socket
  readonly #askers: Asker[] = []
  #received: Buffer = Buffer.alloc(0)

  constructor({ host, port, tls }: MemcachedAddress) {
    this.socket.connect(port, host)
    this.#stream = tls ? connectTls({ socket: this.socket, host, ...tls }) : this.socket
    this.#stream.on('data', (bytes: Buffer) => this.#read(bytes))
    this.ended = new Promise((resolve) => {
      let reason = new Error('The connection ended.')
      const fail = (error: Error): void => void (reason = error)
      // Without a listener, an error would crash the process.
      this.#stream.on('error', fail)
      if (this.#stream !== this.socket) this.socket.on('error', fail)
      this.socket.on('close', () => {
        for (const asker of this.#askers.splice(0)) asker.reject(reason)
        resolve(reason)
      })
    })
  }

  async version(): Promise<string> {
    return (await this.#ask('version')).line
  }

  /** Returns the value of a key, if there is one. */
  async get(key: string): Promise<string | undefined> {
    return (await this.#ask(`get ${checked(key)}`)).value
  }

  /** Stores a value for some seconds. With 0, for as long as there is room. */
  async set(key: string, value: string, seconds = 0): Promise<void> {
    const head = `set ${checked(key)} 0 ${seconds} ${Buffer.byteLength(value)}`
    const { line } = await this.#ask(`${head}\r\n${value}`)
    if (line !== 'STORED') throw new Error(line)
  }

  /** Ends the connection politely. Resolves when it is closed. */
  async quit(): Promise<void> {
    if (this.#stream.writable) this.#stream.write('quit\r\n')
    await this.ended
  }

  #ask(command: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.#stream.writable) throw new Error('The connection has ended.')
      this.#askers.push({ resolve, reject })
      this.#stream.write(`${command}\r\n`)
    })
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    for (let answer = this.#next(); answer !== undefined; answer = this.#next()) {
      const asker = this.#askers.shift()
      if (/^(ERROR|CLIENT_ERROR|SERVER_ERROR)/.test(answer.line)) {
        asker?.reject(new Error(answer.line))
      } else asker?.resolve(answer)
    }
  }

  /** Returns the next answer, if it is complete. */
  #next(): Answer | undefined {
    const end = this.#received.indexOf('\r\n')
    if (end < 0) return undefined
    const line = this.#received.toString('utf8', 0, end)
    if (!line.startsWith('VALUE ')) return this.#take(end, { line })
    const start = end + 2
    const stop = start + Number(line.split(' ')[3])
    if (this.#received.length < stop + '\r\nEND\r\n'.length) return undefined
    const value = this.#received.toString('utf8', start, stop)
    return this.#take(stop + '\r\nEND'.length, { line, value })
  }

  #take(end: number, answer: Answer): Answer {
    this.#received = this.#received.subarray(end + '\r\n'.length)
    return answer
  }
}

/** Rejects a key with a space or a line break, which would change the command. */
function checked(key: string): string {
  if (/^[\x21-\x7e]{1,250}$/.test(key)) return key
  throw new TypeError(
    `Expected a key of 1 to 250 visible ASCII characters, got ${JSON.stringify(key)}.`,
  )
}
