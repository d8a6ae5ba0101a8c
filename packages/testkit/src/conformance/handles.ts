import { readdirSync, readlinkSync } from 'node:fs'

/** The kernel's names of the sockets and pipes that this process holds: copies in a child have the same. */
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

/** The kinds of what holds this process open, but for timers and requests: a test runner has some of its own. */
export function holdingOpen(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => !/Timeout|Immediate|Req/.test(kind))
}

/** What there is now and was not before, kind by kind. */
export function beyond(before: readonly string[], now: readonly string[]): string[] {
  const known = [...before]
  return now.filter((kind) => {
    const place = known.indexOf(kind)
    if (place < 0) return true
    known.splice(place, 1)
    return false
  })
}
