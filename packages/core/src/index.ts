export { BudgetError } from './api/budget.ts'
export type { Budget, Member, Permit, Seat } from './api/budget.ts'
export { defineDriver } from './api/driver.ts'
export type { CreateFailure, Driver, HookName, ResetContext, ShareHooks } from './api/driver.ts'
export {
  AcquireTimeoutError,
  CreateError,
  LeaseReleasedError,
  PoolClosedError,
  PoolError,
  QueueFullError,
  StaleResourceError,
} from './api/errors.ts'
export type { AcquirePhase } from './api/errors.ts'
export { afterFork, afterRestore } from './identity/identity.ts'
export type { BasePoolOptions, ForkDetection, PoolOptions } from './api/options.ts'
export { poolHealth } from './health.ts'
export type { PoolHealth, UnhealthyReason } from './health.ts'
export { sharedBudget } from './budget/shared-budget.ts'
export type { SharedBudgetOptions } from './budget/shared-budget.ts'
export { createPoolMap } from './pool-map.ts'
export type { PoolMap, PoolMapListener, PoolMapOptions, PoolMapStats } from './pool-map.ts'
export { createForkSafePool } from './pool.ts'
export { onAbort } from './tools/signals.ts'
export { livePools } from './context/live-pools.ts'
export type { LivePool } from './context/live-pools.ts'
export type * from './api/messages.ts'
export type { PoolCounts, PoolStats } from './api/stats.ts'
export type * from './api/pool.ts'
