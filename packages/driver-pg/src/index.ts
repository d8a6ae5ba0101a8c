export { pgDriver } from './driver.ts'
export type { PgConnection } from './driver.ts'
export type { PgMethods } from './methods.ts'
