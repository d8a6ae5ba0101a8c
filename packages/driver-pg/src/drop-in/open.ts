import { openUntilAborted } from '@forksafe/core/methods'
import type { Duplex } from 'node:stream'
import { startupSnapshot } from 'node:v8'
import type { ClientConfig, PoolClient } from 'pg'
import { refOnlyWhileBusy } from '../ref-while-busy.ts'
import { installGuards } from '../session-guards.ts'
import { verifyAddress } from '../create-client.ts'
import { says } from './messages.ts'
import type { DropInOptions } from './options.ts'

/** The longest wait for the polite end of a client that `onConnect` has refused. */
const END_TIMEOUT_MILLIS = 1_000

export type ClientClass = new (config: ClientConfig) => PoolClient

export interface Opened {
  readonly client: PoolClient
  readonly socket: Duplex | undefined
}

interface OpenHost {
  readonly Client: ClientClass
  readonly log: (...messages: unknown[]) => void
}

/** Opens a client of any class within `connectionTimeoutMillis`, and calls `onConnect` with it. */
export async function open(
  options: DropInOptions,
  { Client, log }: OpenHost,
  signal: AbortSignal,
): Promise<Opened> {
  // As in pg-pool, the password is not enumerable.
  const { password } = options
  const client = new Client({ ...options, ...(password === undefined ? {} : { password }) })
  verifyAddress(client)
  // pg-native does not expose its socket.
  const socket = (client as Partial<PoolClient>).connection?.stream
  // Without a listener, an error of the connection would end the process. The pool adds its own later.
  client.on('error', () => undefined)
  installGuards(client)
  let ended: Promise<void> | undefined
  const end = (): Promise<void> => (ended ??= endQuietly(client))
  const drop = (): void => {
    if (socket === undefined) void end()
    else socket.destroy()
  }
  await openUntilAborted(signal, drop, async () => {
    await connect(client, Number(options.connectionTimeoutMillis), drop, log)
    if (startupSnapshot.isBuildingSnapshot()) refOnlyWhileBusy(client)
    await callOnConnect(client, options, end)
  })
  return { client, socket }
}

/** Connects by callback, which every class of client takes. */
async function connect(
  client: PoolClient,
  millis: number,
  drop: () => void,
  log: OpenHost['log'],
): Promise<void> {
  let late = false
  const giveUp = (): void => {
    log('ending client due to timeout')
    late = true
    drop()
  }
  log('checking client timeout')
  // Set before the client's own timer, so that it fires first.
  const timer = millis > 0 ? setTimeout(giveUp, millis) : undefined
  log('connecting new client')
  try {
    await new Promise<void>((resolve, reject) => {
      client.connect((error: Error | null) => (error ? reject(error) : resolve()))
    })
  } catch (error) {
    log('client failed to connect', error)
    throw late ? new Error(says.notConnectedInTime, { cause: error }) : error
  } finally {
    clearTimeout(timer)
  }
  log('new client connected')
}

async function callOnConnect(
  client: PoolClient,
  { onConnect }: DropInOptions,
  end: () => Promise<void>,
): Promise<void> {
  if (!onConnect) return
  try {
    // It may return a promise, although its type does not say so.
    await (onConnect(client) as unknown)
  } catch (error) {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_TIMEOUT_MILLIS)
    })
    await Promise.race([end(), late])
    clearTimeout(timer)
    throw error
  }
}

/** Ends a client that failed. Never rejects: the first error says more. */
async function endQuietly(client: PoolClient): Promise<void> {
  try {
    await client.end()
  } catch {
    // See above.
  }
}
