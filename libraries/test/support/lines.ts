const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** Whether this Node is older than what a library asks for: its tests are skipped then, and the reason is in their name. */
export function isOlderThan(neededMajor: number, neededMinor = 0): boolean {
  return major < neededMajor || (major === neededMajor && minor < neededMinor)
}
