import type { Client } from 'pg'
import { isQueryable, isReady } from '../internals.ts'

/** How often to look for another connection that can listen. Nothing is sent if the present one can. */
const LOOK_MILLIS = 100

/** What an `Ear` asks of its member, and tells it. */
interface Owner {
  /** Whether this process owns the connections. */
  isOwn(): boolean
  /** Another member asks for a permit. */
  heard(theirs: number): void
}

/**
 * Listens to other members on one of the member's connections: one, because each listener slows down every `NOTIFY`. If it ends, or is
 * busy for long, another one that is ready takes over.
 */
export class Ear {
  readonly #channel: string
  readonly #owner: Owner
  readonly #clients = new Set<Client>()
  #listening: Client | undefined
  /** Former listeners that still receive notifications. */
  readonly #former = new Set<Client>()
  /** The listener was busy when it was looked at. */
  #wasBusy = false
  #timer: NodeJS.Timeout | undefined

  constructor(channel: string, owner: Owner) {
    this.#channel = channel
    this.#owner = owner
  }

  /** A connection is bound. */
  enter(client: Client): void {
    this.#clients.add(client)
    client.on('notification', ({ channel, payload }) => {
      if (channel === this.#channel && client === this.#listening) this.#hear(client, payload)
    })
    if (this.#listening === undefined) this.#listenOn(client)
    this.#timer ??= setInterval(() => this.#look(), LOOK_MILLIS).unref()
  }

  /** A connection is gone. */
  leave(client: Client): void {
    this.#clients.delete(client)
    this.#former.delete(client)
    if (client === this.#listening) {
      this.#listening = undefined
      this.#look()
    }
    if (this.#clients.size === 0) this.#stop()
  }

  abandon(): void {
    this.#clients.clear()
    this.#former.clear()
    this.#listening = undefined
    this.#stop()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #hear(client: Client, payload: string | undefined): void {
    const theirs = Number(payload)
    if (!Number.isSafeInteger(theirs)) return
    this.#owner.heard(theirs)
    // Shows that this process is alive. A busy connection shows it anyway.
    this.#send(client, 'SELECT 1')
  }

  #look(): void {
    if (!this.#owner.isOwn()) return
    for (const client of this.#former) {
      if (this.#send(client, `UNLISTEN ${this.#channel}`)) this.#former.delete(client)
    }
    const present = this.#listening
    const isBusy = present !== undefined && !canSend(present)
    const mayStay = present !== undefined && !(isBusy && this.#wasBusy)
    this.#wasBusy = isBusy
    if (mayStay) return
    const next = [...this.#clients].find((client) => client !== present && canSend(client))
    if (next === undefined) return
    if (present !== undefined) this.#former.add(present)
    this.#former.delete(next)
    this.#listenOn(next)
  }

  #listenOn(client: Client): void {
    this.#wasBusy = false
    if (this.#send(client, `LISTEN ${this.#channel}`)) this.#listening = client
  }

  /** Sends a query outside of any transaction, between two of a holder if it is lent. Returns whether that was possible. */
  #send(client: Client, text: string): boolean {
    if (!this.#owner.isOwn() || !canSend(client)) return false
    client.query(text).catch(() => {
      // The connection has ended, which the pool notices; or it does not listen, and another one will.
      if (client === this.#listening) this.#listening = undefined
    })
    return true
  }
}

function canSend(client: Client): boolean {
  return isQueryable(client) && isReady(client) && client.getTransactionStatus() === 'I'
}
