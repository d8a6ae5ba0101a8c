import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type ConnectOverCDPTransport, type Page } from 'playwright-core'

/** The executable and its options. */
export interface ChromiumOptions {
  readonly executablePath: string
  /** Additional arguments, such as `--no-sandbox` if it runs as root. */
  readonly args?: readonly string[]
}

/**
 * A headless Chromium with one page, so that a page which hangs or uses all memory does not affect others. Its two
 * pipes are sockets to Node. It exits when the last copy of them is closed.
 */
export class ChromiumPage {
  readonly process: ChildProcess
  readonly #pipes: readonly [toBrowser: Socket, fromBrowser: Socket]
  readonly #folder: string
  #removed: Promise<void> | undefined
  #browser: Browser | undefined
  #page: Page | undefined

  constructor({ executablePath, args = [] }: ChromiumOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), 'chromium-'))
    const profile = `--user-data-dir=${this.#folder}`
    this.process = spawn(
      executablePath,
      ['--headless', '--remote-debugging-pipe', profile, '--disable-dev-shm-usage', ...args],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    )
    this.#pipes = [this.process.stdio[3] as Socket, this.process.stdio[4] as Socket]
    // Without a listener, an error would crash the process. The exit of Chromium is reported separately.
    for (const each of [this.process, ...this.#pipes]) each.on('error', () => undefined)
    // Only the process that started Chromium is notified of its exit.
    this.process.once('close', () => {
      // The helper processes of a killed Chromium may still write to the folder for a while.
      this.#removed = rm(this.#folder, { recursive: true, force: true, maxRetries: 20 })
    })
  }

  /** Waits until a page is open. */
  async open(): Promise<void> {
    await once(this.process, 'spawn')
    const transport = new PipeTransport(...this.#pipes)
    this.#browser = await chromium.connectOverCDP(transport, { artifactsDir: this.#folder })
    await this.renew()
  }

  get page(): Page {
    if (this.#page === undefined) throw new Error('Expected a page that is open.')
    return this.#page
  }

  /** Opens a new page, without the cookies, storage, routes and listeners of the previous one. */
  async renew(): Promise<void> {
    await this.#page?.context().close()
    const context = await this.#browser?.newContext()
    this.#page = await context?.newPage()
  }

  /** Tells Chromium to exit. Resolves when it has. Closing the pipes is not enough, because a forked child may have copies. */
  async close(): Promise<void> {
    const { exitCode, signalCode } = this.process
    if (exitCode !== null || signalCode !== null) return
    const gone = once(this.process, 'close')
    const session = await this.#browser?.newBrowserCDPSession()
    await session?.send('Browser.close')
    await gone
    await this.#removed
  }

  /** Closes this process's copies of the pipes. */
  letGo(): void {
    for (const pipe of this.#pipes) pipe.destroy()
  }

  /** Sets whether it keeps this process alive. */
  hold(held: boolean): void {
    const verb = held ? 'ref' : 'unref'
    for (const each of [this.process, ...this.#pipes]) each[verb]()
  }
}

/** Chromium's protocol over its pipes: JSON messages, each followed by a zero byte. */
class PipeTransport implements ConnectOverCDPTransport {
  onmessage?: (message: object) => void
  onclose?: (reason?: string) => void
  readonly #toBrowser: Socket
  #received = ''

  constructor(toBrowser: Socket, fromBrowser: Socket) {
    this.#toBrowser = toBrowser
    fromBrowser.setEncoding('utf8')
    fromBrowser.on('data', (text: string) => this.#read(text))
    fromBrowser.once('close', () => this.onclose?.())
  }

  send(message: object): void {
    this.#toBrowser.write(`${JSON.stringify(message)}\0`)
  }

  close(): void {
    this.#toBrowser.destroy()
  }

  #read(text: string): void {
    const [first = '', ...rest] = text.split('\0')
    const messages = [this.#received + first, ...rest]
    this.#received = messages.pop() ?? ''
    // One message per turn: Playwright expects the continuation of an answer to run before the next event.
    for (const message of messages) {
      setImmediate(() => this.onmessage?.(JSON.parse(message) as object))
    }
  }
}
