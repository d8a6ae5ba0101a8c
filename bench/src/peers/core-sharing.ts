import { corePeer } from './core-pool.ts'

export const peer = corePeer('page', 'always', true)
