import { createForkSafePool, type ForkSafePool } from '@forksafe/core'
import { AssertionError } from 'node:assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { forkDepth } from '../child.ts'
import type { ProxyRecord } from '../proxy-protocol.ts'
import type { RecordingProxy } from '../proxy.ts'
import { openHandles } from './handles.ts'
import type { AnyDriver, AnyOptions } from './options.ts'

const POLL_MILLIS = 5

/** How a resource is opened: over how many connections, and how often the server speaks until it is open. */
export interface Opening {
  readonly connections: number
  readonly words: number
}

/** What one check works with. All that it opens ends with it. */
export class Rig {
  readonly driver: AnyDriver
  readonly options: AnyOptions
  readonly proxy: RecordingProxy
  readonly #before = openHandles()
  readonly #ends: (() => unknown)[] = []
  #asked = 0

  constructor(driver: AnyDriver, options: AnyOptions, proxy: RecordingProxy) {
    this.driver = driver
    this.options = options
    this.proxy = proxy
  }

  /** Closes and lets go of everything, in whatever state it is. */
  async close(): Promise<void> {
    await this.proxy.resume()
    await this.proxy.accept()
    for (const end of this.#ends) await end()
    // What the driver has left open all the same.
    await this.proxy.cut()
  }

  get connection(): unknown {
    return this.options.connection(this.proxy)
  }

  /** A resource, from the driver itself. */
  async create(): Promise<object> {
    return this.within('`create`', this.begin())
  }

  /** Begins to open a resource, which is let go of in the end, if it comes to be. */
  begin(
    signal: AbortSignal = new AbortController().signal,
    connection = this.connection,
  ): Promise<object> {
    const opening = this.driver.create(connection, { signal })
    const letGo = (resource: object): void => {
      try {
        this.driver.discard(resource)
      } catch {
        // That it throws is found by the checks of `discard`.
      }
    }
    opening.then(
      (resource) => this.#ends.push(() => letGo(resource)),
      () => undefined,
    )
    return opening
  }

  /** A pool that leaves its resources alone. */
  pool(options: { max: number; validateAfterIdleMillis?: number }): ForkSafePool<object> {
    const { timeoutMillis } = this.options
    const pool = createForkSafePool<object, unknown, object>(this.driver, {
      connection: () => this.connection,
      acquireTimeoutMillis: timeoutMillis,
      createTimeoutMillis: timeoutMillis,
      validateTimeoutMillis: timeoutMillis,
      destroyTimeoutMillis: timeoutMillis,
      idleTimeoutMillis: Infinity,
      validateAfterIdleMillis: Infinity,
      ...options,
    })
    this.#ends.push(() => pool.close({ deadlineMillis: 0 }))
    return pool
  }

  /** Opens that many resources, which all answer, and leaves them idle. */
  async fill(pool: ForkSafePool<object>, count: number): Promise<void> {
    const leases = await Promise.all(Array.from({ length: count }, () => pool.acquire()))
    await Promise.all(leases.map(({ resource }) => this.expectAnswer(resource)))
    for (const lease of leases) lease.release()
  }

  /** Makes sure that a resource gives the right answer, and not another's. */
  async expectAnswer(resource: object): Promise<void> {
    await this.ask(resource).answer
  }

  /** The same, in two parts: the question is on its way when this returns. */
  ask(resource: object): { readonly answer: Promise<void> } {
    // A forked child counts on from the same number.
    const text = `process-${forkDepth()}-question-${++this.#asked}`
    const answer = this.within(`the answer to \`echo\``, this.options.echo(resource, text))
    const right = answer.then((said) => {
      expect(said === text, `Expected the server to answer "${text}", got ${JSON.stringify(said)}`)
    })
    right.catch(() => undefined) // It may be looked at later.
    return { answer: right }
  }

  /** The sockets and pipes that this process has and had not when the check began. */
  held(): string[] {
    return openHandles().filter((name) => !this.#before.includes(name))
  }

  async expectNothingHeld(when: string): Promise<void> {
    await this.eventually(
      () => this.held().length === 0,
      () => `Expected nothing to be left open ${when}, got ${this.held().join(', ')}`,
    )
    await this.eventually(
      async () => !(await this.proxy.connections()).some(({ open }) => open),
      () => `Expected the server to hold no connection ${when}, but it does`,
    )
  }

  /** What the client has sent since: bytes, FINs and RSTs, on the connections that were there. */
  async sent(since: number): Promise<ProxyRecord[]> {
    const records = await this.proxy.records({ since, openedBefore: since })
    return records.filter((record) => 'direction' in record && record.direction === 'fromClient')
  }

  /** How many connections were opened since. */
  async opened(since: number): Promise<number> {
    return (await this.proxy.records({ since })).filter(({ kind }) => kind === 'open').length
  }

  /** Holds what the server says on the connections that are open, not on those to come. */
  async holdPresent(direction?: 'fromServer'): Promise<void> {
    const scope = direction === undefined ? {} : { direction }
    for (const { id, open } of await this.proxy.connections()) {
      if (open) await this.proxy.hold({ connection: id, ...scope })
    }
  }

  /** Waits until a client has written since, and has no more to write. */
  async expectWritten(since: number, what: string): Promise<void> {
    await this.eventually(
      async () => bytesOf(await this.sent(since)).length > 0,
      () => `Expected ${what} to ask the server, but nothing was written`,
    )
    await this.quiet()
  }

  /** Waits until nothing passes for a moment. */
  async quiet(): Promise<void> {
    for (let last = -1, now = await this.proxy.mark(); now !== last;) {
      last = now
      now = await this.proxy.mark()
    }
  }

  /**
   * Lets the server, which is being held, speak that often, and stops when it has spoken once more. Returns how often it
   * has spoken: less, if what waits for it has settled before.
   */
  async step(
    opening: Promise<unknown>,
    words: number,
  ): Promise<{ said: number; settled: boolean }> {
    let settled = false
    const settle = (): void => void (settled = true)
    opening.then(settle, settle)
    for (let said = 0, mark = 0; ; said++) {
      const since = mark
      await this.eventually(
        async () => settled || (await this.#hasSpoken(since)),
        () => `Expected \`create\` to come to an end, but it waits and the server has said all`,
      )
      if (settled || said === words) return { said, settled }
      mark = await this.proxy.mark()
      await this.proxy.pass({ direction: 'fromServer' })
    }
  }

  async #hasSpoken(since: number): Promise<boolean> {
    const open = new Set<number>()
    for (const { id, open: isOpen } of await this.proxy.connections()) if (isOpen) open.add(id)
    return (await this.proxy.records({ since })).some(
      (record) =>
        record.kind === 'data' && record.direction === 'fromServer' && open.has(record.connection),
    )
  }

  /** Opens one resource step by step, to know how it is done. */
  async rehearse(): Promise<Opening> {
    const mark = await this.proxy.mark()
    await this.proxy.hold({ direction: 'fromServer' })
    const opening = this.begin()
    const { said: words } = await this.step(opening, Infinity)
    await this.proxy.resume()
    await opening
    return { connections: await this.opened(mark), words }
  }

  async eventually(
    holds: () => boolean | Promise<boolean>,
    otherwise: () => string,
  ): Promise<void> {
    const deadline = performance.now() + this.options.timeoutMillis
    while (!(await holds())) {
      const late = performance.now() > deadline
      expect(!late, `${late ? otherwise() : ''}, after ${this.options.timeoutMillis} ms`)
      await sleep(POLL_MILLIS)
    }
  }

  /** What a hook gives, in time. */
  async within<T>(what: string, work: T | Promise<T>): Promise<T> {
    const { timeoutMillis } = this.options
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const error = failure(`Expected ${what} to settle, but it has not, after ${timeoutMillis} ms`)
      timer = setTimeout(() => reject(error), timeoutMillis)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** @throws {AssertionError} */
export function expect(holds: boolean, message: string): asserts holds {
  if (!holds) throw failure(message)
}

function failure(message: string): AssertionError {
  return new AssertionError({ message: `${message}.`, stackStartFn: expect })
}

/** How a promise has settled. */
export type Outcome<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

export function outcomeOf<T>(promise: T | Promise<T>): Promise<Outcome<T>> {
  return Promise.resolve(promise).then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  )
}

/** All bytes, in order. */
export function bytesOf(records: readonly ProxyRecord[]): Buffer {
  return Buffer.concat(
    records.map((record) => (record.kind === 'data' ? record.bytes : Buffer.of())),
  )
}

/** Tells what was sent, in an error message. */
export function show(records: readonly ProxyRecord[]): string {
  const bytes = bytesOf(records)
  const said = JSON.stringify(bytes.toString('latin1').slice(0, 60))
  const parts = bytes.length === 0 ? [] : [`${bytes.length} bytes (${said})`]
  if (records.some(({ kind }) => kind === 'end')) parts.push('a FIN')
  if (records.some(({ kind }) => kind === 'reset')) parts.push('a RST')
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}
