import { hideKoffi } from './hide-koffi.ts'

hideKoffi()
const { corePeer } = await import('./core-pool.ts')

export const peer = corePeer('ppid', 'once')
