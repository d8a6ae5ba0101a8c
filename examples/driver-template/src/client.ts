import { Socket } from 'node:net'

// Replace this file by the client of your service, from npm or your own.

/** The address of the service, and its password. */
export interface LineAddress {
  readonly host: string
  readonly port: number
  readonly password: string
}

interface Asker {
  resolve(line: string): void
  reject(error: Error): void
}

/** One connection. The service answers each line by one line, in order. */
export class LineClient {
  /** The socket that `discard` destroys. With TLS, this must be the bare socket under it. */
  readonly socket = new Socket()
  /** Resolves once the connection has ended, with the reason. */
  readonly ended: Promise<Error>
  readonly #askers: Asker[] = []
  #received = ''

  constructor({ host, port }: LineAddress) {
    this.socket.setEncoding('utf8').connect(port, host)
    this.socket.on('data', (text: string) => {
      const lines = (this.#received + text).split('\n')
      this.#received = lines.pop() ?? ''
      for (const line of lines) this.#askers.shift()?.resolve(line)
    })
    this.ended = new Promise((resolve) => {
      let reason = new Error('The connection ended.')
      // Without a listener, an error would crash the process.
      this.socket.on('error', (error) => (reason = error))
      this.socket.on('close', () => {
        for (const asker of this.#askers.splice(0)) asker.reject(reason)
        resolve(reason)
      })
    })
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (!this.socket.writable) throw new Error('The connection has ended.')
      this.#askers.push({ resolve, reject })
      this.socket.write(`${line}\n`)
    })
  }

  /** Ends the connection politely. Resolves when it is closed. */
  async quit(): Promise<void> {
    if (this.socket.writable) this.socket.end('quit\n')
    await this.ended
  }
}
