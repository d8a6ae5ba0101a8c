export { defineDriver } from './driver.ts'
export type { CreateFailure, Driver, ResetContext } from './driver.ts'
export {
  AcquireTimeoutError,
  CreateError,
  LeaseReleasedError,
  PoolClosedError,
  PoolError,
  QueueFullError,
  StaleResourceError,
} from './errors.ts'
export type { AcquirePhase } from './errors.ts'
export { afterFork, afterRestore } from './identity.ts'
export type { ForkDetection, ProcessChangeReason } from './identity.ts'
export type { BasePoolOptions, PoolOptions } from './options.ts'
export { createForkSafePool } from './pool.ts'
export { onAbort } from './signals.ts'
export type { PoolStats } from './stats.ts'
export type {
  AcquireOptions,
  CloseOptions,
  DestroyReason,
  ForkSafePool,
  Lease,
  PoolEvents,
  PoolListener,
} from './surface.ts'
