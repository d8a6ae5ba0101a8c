const UNITS = /(?:milliseconds|millis|ms|seconds|secs)$/

/** Returns a name without what different libraries spell differently: case, separators, and the unit of a time. */
export function stemOf(name: string): string {
  const letters = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  return letters.replace(UNITS, '')
}

/** Returns the name that is spelled most like `given`, if one is similar enough to be meant. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const stem = stemOf(given)
  let best: string | undefined
  let least = Math.min(3, Math.ceil(stem.length / 4)) + 1
  for (const name of names) {
    const known = stemOf(name)
    const edits = Math.min(
      editsBetween(stem, known),
      // A unit may be misspelled, too.
      editsBetween(given.toLowerCase(), name.toLowerCase()),
    )
    if (edits >= least || edits >= known.length) continue
    best = name
    least = edits
  }
  return best
}

/** Returns how many letters must be inserted, removed, replaced or swapped with the next one to turn `a` into `b`. */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      let edits = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (isSame ? 0 : 1),
      )
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (row > 1 && column > 1 && isSwap) edits = Math.min(edits, at(beforeLast, column - 2) + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] as number
}
