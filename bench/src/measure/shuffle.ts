/** Returns a random order, so that no peer always follows the same other peer. */
export function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, key: Math.random() }))
  return order.sort((a, b) => a.key - b.key).map(({ item }) => item)
}
