import type {
  CreateErrorEvent,
  DestroyEvent,
  HookErrorEvent,
  HookEvent,
  LeakEvent,
  ProcessChangeEvent,
} from './pool.ts'

/** The fields of every message of a channel. */
export interface PoolMessage {
  /** The pool's name. */
  readonly pool: string
  /** The pool's id, which no other pool of this process has. */
  readonly poolId: number
  /** The name of the pool's driver. */
  readonly driver: string
}

/** A message of `forksafe:acquire`: an `acquire` has ended, or a request of `share` was sent or rejected. Published in the caller's async context. */
export interface AcquireMessage extends PoolMessage {
  /** The time since the call, in milliseconds. */
  readonly durationMillis: number
  /** Tells whether the caller was in the queue. */
  readonly waited: boolean
  /** The id of the resource. `undefined` for a request of `share`, and if there is an error. */
  readonly id?: number | undefined
  /** The generation of the resource. `undefined` if there is an error. */
  readonly generation?: number
  /** The error that rejected the caller. */
  readonly error?: unknown
}

/**
 * A message of `forksafe:release`: a lease has ended. If the driver has no `validate`, leases that began before the subscription are
 * left out.
 */
export interface ReleaseMessage extends PoolMessage {
  /** The id of the resource. */
  readonly id: number
  /** The generation of the resource. */
  readonly generation: number
  /** The time for which the lease was held, in milliseconds. */
  readonly heldMillis: number
}

/**
 * A message of `forksafe:create`: a resource was opened, or could not be opened. Published in the async context of the caller for
 * whom it was opened.
 */
export type CreateMessage = PoolMessage &
  ((HookEvent & { readonly error?: undefined }) | CreateErrorEvent)

/** A message of `forksafe:destroy`: a resource was destroyed. */
export type DestroyMessage = PoolMessage & DestroyEvent

/** A message of `forksafe:discard`: a resource was discarded. */
export interface DiscardMessage extends PoolMessage {
  /** The id of the resource. */
  readonly id: number
  /** The generation of the resource. */
  readonly generation: number
}

/** A message of `forksafe:hookError`: a hook of the driver failed or took too long. */
export type HookErrorMessage = PoolMessage & HookErrorEvent

/** A message of `forksafe:leak`: a lease is held for too long. */
export type LeakMessage = PoolMessage & LeakEvent

/** A message of `forksafe:processChange`: the pool detected a change of the process. */
export type ProcessChangeMessage = PoolMessage & ProcessChangeEvent

/** A message of `forksafe:pool`: a pool was created, or has closed. */
export interface PoolLifeMessage extends PoolMessage {
  /** The change: created or closed. */
  readonly event: 'created' | 'closed'
}

/** The channels of `node:diagnostics_channel`, and the type of each one's messages. */
export interface ChannelMessages {
  /** An `acquire` has ended, or a request of `share` was sent or rejected. */
  'forksafe:acquire': AcquireMessage
  /** A lease has ended. */
  'forksafe:release': ReleaseMessage
  /** A resource was opened, or could not be opened. */
  'forksafe:create': CreateMessage
  /** A resource was destroyed. */
  'forksafe:destroy': DestroyMessage
  /** A resource was discarded. */
  'forksafe:discard': DiscardMessage
  /** A hook of the driver failed or took too long. */
  'forksafe:hookError': HookErrorMessage
  /** A lease is held for too long. */
  'forksafe:leak': LeakMessage
  /** A pool detected a change of the process. */
  'forksafe:processChange': ProcessChangeMessage
  /** A pool was created, or has closed. */
  'forksafe:pool': PoolLifeMessage
}
