// @ts-check
export { pgBouncerSupported, startPgBouncer } from './servers/pgbouncer.mjs'
