// @ts-check
export { startMemcached } from './servers/memcached.mjs'
