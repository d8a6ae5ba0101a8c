import { genericPool } from './default-export.ts'

export { DefaultEvictor } from './evictor.ts'
export { createPool, Pool } from './pool.ts'
export type { EvictionConfig, Evictor, Factory, Options, PooledResource } from './surface.ts'
export default genericPool
