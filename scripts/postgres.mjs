// @ts-check
export { startPostgres } from './servers/postgres.mjs'
