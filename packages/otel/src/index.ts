export { instrumentPools } from './instrument-pools.ts'
export type { InstrumentPoolsOptions, Instrumentation } from './instrument-pools.ts'
