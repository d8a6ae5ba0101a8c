// @ts-check
export { startMariadb } from './servers/mariadb.mjs'
