import { readdirSync, readlinkSync } from 'node:fs'

/** Returns the kernel's names of the sockets and pipes that this process holds. Copies in a child have the same names. */
export function openHandles(): string[] {
  const names = readdirSync('/proc/self/fd').map(linkOf)
  return [...new Set(names)].filter((name) => /^(socket|pipe):/.test(name))
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // The descriptor that listed the folder.
  }
}

/** Returns the kinds of handles that keep this process alive, except timers and requests: a test runner has its own. */
export function activeHandles(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => !/Timeout|Immediate|Req/.test(kind))
}

/** Returns the elements of `now` that are not in `before`, each counted separately. */
export function added(before: readonly string[], now: readonly string[]): string[] {
  const known = [...before]
  return now.filter((kind) => {
    const place = known.indexOf(kind)
    if (place < 0) return true
    known.splice(place, 1)
    return false
  })
}
